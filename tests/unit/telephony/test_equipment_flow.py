"""Flow control by DC1 and DC3 and limited modulations, through ports and exchange as a program meets them."""

from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from lab.telephony.equipment import MOST_QUEUED_BYTES
from lab.telephony.flow import STOP_AT_BYTES
from tests.unit.telephony.cabinet import Cabinet, Terminal, cabinet

Make: TypeAlias = Callable[..., Cabinet]
DC1, DC3 = b"\x11", b"\x13"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(cabinet(tmp_path, monkeypatch, **options))


def _connected(made: Cabinet, a: str = "", b: str = "") -> tuple[Terminal, Terminal]:
    """A call from a to b, each with its +IFC."""
    caller, called = made.open("a"), made.open("b")
    called.ask(f"ATE0S0=1+IFC={b};S12=5")
    caller.ask(f"ATE0+IFC={a};S12=5")
    caller.say(b"ATDT1001\r")
    for end in (caller, called):
        end.until(b"CONNECT ")
        end.until(b"\r\n")
    return caller, called


@pytest.mark.parametrize(("value", "passed_on"), [("1", b""), ("3", DC3)])
def test_a_terminal_stops_its_modem_and_lets_it_go_on(
    make: Make, value: str, passed_on: bytes
) -> None:
    caller, called = _connected(make(), a=value)
    caller.say(DC3 + b"stopped")
    assert called.until(b"stopped") == passed_on + b"stopped"
    called.say(b"for later, ")
    called.say(b"and more")
    assert caller.silent()
    caller.say(DC1)
    assert caller.until(b"more") == b"for later, and more"


def test_what_a_stopped_terminal_is_sent_waits_and_its_sender_too(make: Make) -> None:
    """However much it is; and what it was does not come to stand in the dialogue."""
    made = make()
    caller, called = _connected(made, a="1")
    caller.say(DC3)
    data = b"Password: secret\r\n" * 5000
    os.set_blocking(called.fd, False)
    sent = 0
    for _ in range(30):
        with contextlib.suppress(BlockingIOError):
            sent += os.write(called.fd, data[sent:])
        assert called.silent(0.02)
    assert 0 < sent < len(data), "a port is full at last"
    assert len(made.equipment._stations["a"].modem._kept) < 3 * MOST_QUEUED_BYTES

    caller.say(DC1)
    got = b""
    while len(got) < sent:
        got += os.read(caller.fd, 1 << 16)
    assert got == data[:sent]
    assert "secret" not in made.dialogue


def test_two_that_have_stopped_each_other_with_full_modems_go_on(make: Make) -> None:
    caller, called = _connected(make(rate_bit_s=4_000_000), a="1", b="1")
    ends = (caller, called)
    for end in ends:
        end.say(DC3)
    for end in ends:  # What one end says may reach the other before that one says anything more.
        end.say(b"x" * 3 * MOST_QUEUED_BYTES)
    assert all(end.silent() for end in ends)
    for end in ends:
        end.say(DC1)
    for end in ends:
        end.say(b".")
    for end in ends:
        assert len(end.until(b".")) == 3 * MOST_QUEUED_BYTES + 1


def test_a_modem_stops_its_terminal_and_lets_it_go_on(make: Make) -> None:
    caller, called = _connected(make(rate_bit_s=200_000), a=",1")
    caller.say(b"x" * STOP_AT_BYTES * 2)
    assert caller.until(DC3) == DC3
    assert caller.until(DC1) == DC1
    caller.say(b".")
    assert len(called.until(b".")) == STOP_AT_BYTES * 2 + 1
    assert caller.silent()


def test_the_kernel_heeds_the_modem_for_a_program_with_ixon(make: Make) -> None:
    """What a program with ``stty ixon`` and +IFC=,1 writes stops in the port, and it reads no DC3."""
    made = make(rate_bit_s=200_000)
    caller, called = _connected(made, a=",1")
    attributes = termios.tcgetattr(caller.fd)
    attributes[0] |= termios.IXON
    termios.tcsetattr(caller.fd, termios.TCSANOW, attributes)
    for _ in range(20):
        caller.say(b"y" * 1000)
    caller.say(b".")
    assert len(called.until(b".")) == 20_001
    assert caller.silent()


def test_what_was_held_comes_before_the_end_of_the_call(make: Make) -> None:
    made = make()
    caller, called = _connected(made, a="1")
    caller.say(DC3)
    called.say(b"the last words")
    assert caller.silent()
    called.close()
    assert caller.until(b"NO CARRIER\r\n") == b"the last words\r\nNO CARRIER\r\n"
    assert "the last words" not in made.dialogue


def test_what_came_while_it_was_away_is_no_dialogue(make: Make) -> None:
    made = make()
    caller, called = _connected(made)
    caller.silent(0.15)
    caller.say(b"+++")
    caller.until(b"\r\nOK\r\n")
    called.say(b"a secret\r\n")
    assert caller.silent()
    caller.say(b"ATO\r")
    caller.until(b"a secret\r\n")
    caller.say(b"another\r")
    called.until(b"another\r")
    assert "secret" not in made.dialogue
    assert "another" not in made.dialogue
    assert made.dialogue.count("ATO<CR>") == 1


def test_ms_limits_a_call_and_may_leave_nothing(make: Make) -> None:
    made = make(rate_bit_s=33600)
    caller, called = made.open("a"), made.open("b")
    called.ask("ATE0S0=1")
    caller.ask("ATE0+MS=V32B,1")
    caller.ask("ATDT1001", b"\r\nCONNECT 14400\r\n")
    called.until(b"\r\nCONNECT 14400\r\n")
    caller.close()
    called.until(b"NO CARRIER\r\n")

    made.close_all("a")
    caller = made.open("a")
    called.ask("AT+MS=V32B,0")
    caller.ask("ATE0+MS=V34,0")
    caller.ask("ATDT1001", b"\r\nNO CARRIER\r\n")
    called.until(b"NO CARRIER\r\n")
    assert "the modems have no rate in common" in made.dialogue
