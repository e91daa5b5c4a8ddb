"""Hanging up by B0, as programs do it that mean to drop DTR, on real pseudo-terminals."""

from __future__ import annotations

import contextlib
import os
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from lab.telephony.devices import LOOK_S, Readiness
from lab.topology.telephone import ModemFault
from lab.wait import wait_until
from tests.unit.telephony.cabinet import DEADLINE_S, Cabinet, Terminal, cabinet

Make: TypeAlias = Callable[..., Cabinet]
_ISPEED, _OSPEED = 4, 5
CONNECT = b"\r\nCONNECT 1000000\r\n"
NO_CARRIER = b"\r\nNO CARRIER\r\n"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(cabinet(tmp_path, monkeypatch, **options))


def _set_rate(terminal: Terminal, rate: int) -> None:
    attributes = termios.tcgetattr(terminal.fd)
    attributes[_ISPEED] = attributes[_OSPEED] = rate
    termios.tcsetattr(terminal.fd, termios.TCSANOW, attributes)


def _dtr(made: Cabinet, name: str, on: bool) -> None:
    modem = made.equipment._stations[name].modem
    wait_until(f"DTR {on}", lambda: modem.dtr_on is on, DEADLINE_S)


# The rule.


def test_b0_has_to_last() -> None:
    ready = Readiness()
    assert ready.look(b0=False, delay_s=0.05, now=1.0) is True
    assert ready.look_at(on=True, delay_s=0.05) == 1.0 + LOOK_S
    assert ready.look(b0=True, delay_s=0.05, now=2.0) is None
    assert ready.look_at(on=True, delay_s=0.05) == 2.05
    assert ready.look(b0=True, delay_s=0.05, now=2.04) is None
    assert ready.look(b0=True, delay_s=0.05, now=2.05) is False
    assert ready.look_at(on=False, delay_s=0.05) == 2.05 + LOOK_S
    assert ready.look(b0=False, delay_s=0.05, now=2.1) is True
    # Anew.
    assert ready.look(b0=True, delay_s=0.05, now=2.2) is None


def test_without_a_delay_b0_counts_at_once() -> None:
    ready = Readiness()
    assert ready.look(b0=True, delay_s=0.0, now=1.0) is False
    assert ready.look_at(on=False, delay_s=0.0) == 1.0 + LOOK_S


# What a program sees of it.


def test_b0_hangs_up_and_another_rate_brings_dtr_back(make: Make) -> None:
    made = make()
    caller, called = made.connected()
    _set_rate(caller, termios.B0)
    caller.until(NO_CARRIER)
    called.until(NO_CARRIER)
    assert "a hangs up" in made.dialogue
    _set_rate(caller, termios.B9600)
    caller.ask("ATS0=1")
    called.ask("ATDT1000", CONNECT)
    caller.until(CONNECT)


def test_stty_of_another_process_hangs_up(make: Make) -> None:
    made = make()
    caller, called = made.connected()
    with (made.folder / "a").open("rb") as port:
        # It complains on any terminal: glibc marks an input rate of 0 in a flag that no kernel gives back.
        subprocess.run(["stty", "0"], stdin=port, stderr=subprocess.DEVNULL, check=False)
    caller.until(NO_CARRIER)
    called.until(NO_CARRIER)
    subprocess.run(["stty", "-F", os.fspath(made.folder / "a"), "9600"], check=True)
    caller.ask("AT")


def test_without_clocal_it_is_a_hang_up_for_the_program_too(make: Make) -> None:
    made = make()
    caller, called = made.connected(clocal=False)
    _set_rate(caller, termios.B0)
    assert caller.hung_up()
    assert called.hung_up()
    made.open("a").ask("AT")


@pytest.mark.parametrize(
    ("mode", "told", "goes_on"), [("&D0", b"", True), ("&D1", b"\r\nOK\r\n", True)]
)
def test_what_comes_of_it_is_up_to_d(make: Make, mode: str, told: bytes, goes_on: bool) -> None:
    made = make()
    caller, called = made.open("a"), made.open("b")
    called.ask("ATE0S0=1")
    caller.ask("ATE0" + mode)
    caller.ask("ATDT1001", CONNECT)
    called.until(CONNECT)
    _set_rate(caller, termios.B0)
    if told:
        assert caller.until(told) == told
        _set_rate(caller, termios.B9600)
        caller.ask("ATO", CONNECT)
    else:
        assert caller.silent(2 * LOOK_S)
    caller.say(b"it goes on")
    called.until(b"it goes on")


def test_with_d3_it_resets_the_modem_even_without_a_call(make: Make) -> None:
    made = make()
    terminal = made.open("a")
    for _ in range(2):
        terminal.ask("ATE0S7=7&D3")
        _set_rate(terminal, termios.B0)
        _dtr(made, "a", on=False)
        _set_rate(terminal, termios.B9600)
        terminal.say(b"ATE0S7?\r")
        assert b"\r\n050\r\n" in terminal.until(b"\r\nOK\r\n")


def test_it_ends_dialling(make: Make) -> None:
    made = make()
    caller = made.open("a")
    caller.ask("ATE0")
    caller.say(b"ATDT1001\r")
    made.wait_for_note("b rings")
    _set_rate(caller, termios.B0)
    assert caller.until(b"\r\nOK\r\n") == b"\r\nOK\r\n"


def test_it_has_to_last_for_s25(make: Make) -> None:
    made = make()
    caller, called = made.open("a"), made.open("b")
    called.ask("ATE0S0=1")
    caller.ask("ATE0S25=255")
    caller.ask("ATDT1001", CONNECT)
    called.until(CONNECT)
    _set_rate(caller, termios.B0)
    assert caller.silent(0.5)
    _set_rate(caller, termios.B9600)
    assert caller.silent(LOOK_S)
    caller.say(b"too short")
    called.until(b"too short")
    _set_rate(caller, termios.B0)
    caller.until(NO_CARRIER)


def test_dtr_is_on_before_a_program_has_said_anything(make: Make) -> None:
    made = make()
    terminal = made.open("a")
    _dtr(made, "a", on=True)
    terminal.close()
    _dtr(made, "a", on=False)


def test_no_modem_answers_at_b0(make: Make) -> None:
    made = make()
    caller, called = made.open("a"), made.open("b")
    called.ask("ATE0S0=1")
    _set_rate(called, termios.B0)
    caller.ask("ATE0S7=1")
    caller.ask("ATDT1001", b"\r\nNO ANSWER\r\n")
    assert "b answers" not in made.dialogue
    _set_rate(called, termios.B38400)
    caller.ask("ATDT1001", CONNECT)


def test_who_opens_a_port_finds_a_rate(make: Make) -> None:
    made = make()
    terminal = made.open("a")
    terminal.ask("AT")
    _set_rate(terminal, termios.B0)
    made.close_all("a")
    assert termios.tcgetattr(made.open("a").fd)[_OSPEED] == termios.B38400


def test_reports_have_the_rate_that_the_program_has_set(make: Make) -> None:
    made = make()
    made.open("b").ask("ATE0S0=1")
    caller = made.open("a")
    caller.ask("ATE0+ILRR=1")
    _set_rate(caller, termios.B115200)
    caller.ask("ATDT1001", b"\r\n+ILRR: 115200\r\n" + CONNECT)


def test_a_modem_that_is_pulled_out_is_not_looked_at(make: Make) -> None:
    made = make(broken=(("a", ModemFault.unplugged),))
    caller, called = made.connected()
    caller.say(bytes(9000))
    assert caller.hung_up()
    called.until(NO_CARRIER)
    threading.Event().wait(2 * LOOK_S)
    assert made.equipment.broke.error is None
