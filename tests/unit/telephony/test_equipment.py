"""The ports and the thread: what programs on real pseudo-terminals see of modems and calls."""

from __future__ import annotations

import errno
import fcntl
import os
import selectors
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import pytest

from lab.errors import ThreadBroke
from lab.linux.nodes import Node
from lab.telephony import equipment as equipment_module
from lab.telephony.devices import LOOK_S, start_port, start_watch
from lab.telephony.modem import Modem
from lab.topology.telephone import CallRule, ModemFault, Outcome, ResultTable
from lab.wait import wait_until
from tests.unit.sabotage import possessions
from tests.unit.telephony.cabinet import DEADLINE_S, Cabinet, HereNode, Terminal, cabinet

Make = Callable[..., Cabinet]
N_NULL = 27
"""The line discipline that keeps everything to itself (linux/tty.h)."""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    opened: list[AbstractContextManager[Cabinet]] = []

    def build(**options: Any) -> Cabinet:
        context = cabinet(tmp_path, monkeypatch, **options)
        made = context.__enter__()
        opened.append(context)
        return made

    yield build
    for context in opened:
        context.__exit__(None, None, None)


# The port.


def test_a_port_is_raw_before_anybody_has_set_it(make: Make) -> None:
    made = make()
    fd = os.open(made.folder / "a", os.O_RDWR | os.O_NOCTTY)
    os.write(fd, b"ATE0\r")
    seen = b""
    while not seen.endswith(b"OK\r\n"):
        seen += os.read(fd, 100)
    os.close(fd)

    assert seen == b"ATE0\r\r\nOK\r\n"
    assert made.dialogue.count("> AT") == 1, "what the modem says must not come back to it"


def test_who_opens_a_port_reads_nothing_that_was_meant_for_another(make: Make) -> None:
    made = make()
    before = made.open("a")
    before.say(b"AT&V\r")
    made.wait_for_note("TELEPHONE NUMBERS")
    made.close_all("a")

    for _ in range(3):
        following = made.open("a")
        assert following.silent()
        following.say(b"AT\r")
        assert following.until(b"OK\r\n") == b"AT\r\r\nOK\r\n"
        following.say(b"AT&V\r")
        made.wait_for_note("TELEPHONE NUMBERS")
        made.close_all("a")


def test_who_opens_a_port_the_moment_another_has_left_it_has_dropped_dtr(make: Make) -> None:
    made = make()
    for _ in range(10):
        caller, called = made.connected()
        caller.close()
        following = made.open("a")
        called.until(b"NO CARRIER\r\n")
        following.ask("AT")
        following.close()
        called.close()


def test_of_openings_that_nobody_looked_at_each_is_told(tmp_path: Path) -> None:
    device = os.fspath(tmp_path / "a")
    with start_watch() as watch, start_port(cast(Node, HereNode()), device, watch) as port:
        ends = [os.open(device, os.O_RDWR | os.O_NOCTTY) for _ in range(3)]
        for end in ends[:2]:
            os.close(end)
        news = [opened for number, opened in watch.news() if number == port.watched]
        assert news == [True, True, True, False, False]

        os.close(ends[2])


def test_openers_are_counted_however_many_come_at_once(make: Make) -> None:
    made = make()
    caller, called = made.connected()
    for _ in range(50):
        for terminal in [made.open("a") for _ in range(3)]:
            terminal.close()
    caller.say(b"still connected")
    called.until(b"still connected")

    caller.close()
    called.until(b"NO CARRIER\r\n")


def test_a_program_that_was_killed_leaves_no_line_discipline_behind(make: Make) -> None:
    made = make()
    terminal = made.open("a")
    terminal.ask("AT")
    fcntl.ioctl(terminal.fd, termios.TIOCSETD, struct.pack("i", N_NULL))
    made.close_all("a")

    made.open("a").ask("AT")


def test_a_port_that_is_opened_a_hundred_times_in_a_row_always_answers(make: Make) -> None:
    made = make()
    for _ in range(100):
        terminal = made.open("a")
        terminal.ask("AT")
        terminal.close()


def test_what_a_program_wrote_before_it_left_is_still_carried_out(make: Make) -> None:
    made = make()
    terminal = made.open("a")
    terminal.say(b"ATS7=33&W\r")
    terminal.close()
    made.wait_for_note("ATS7=33")
    made.close_all("a")

    terminal = made.open("a")
    terminal.say(b"ATS7?\r")
    assert b"033" in terminal.until(b"OK\r\n")


def test_the_last_who_closes_drops_dtr_and_with_it_the_call(make: Make) -> None:
    made = make()
    caller, called = made.connected()
    second = made.open("a")
    caller.close()
    second.say(b"still there")
    called.until(b"still there")

    second.close()
    called.until(b"NO CARRIER\r\n")
    assert "a hangs up" in made.dialogue


def test_without_a_program_no_modem_answers(make: Make) -> None:
    made = make()
    called = made.open("b")
    called.ask("ATE0S0=1&W")
    made.close_all("b")

    caller = made.open("a")
    caller.ask("ATS7=1")
    caller.ask("ATDT1001", b"NO ANSWER\r\n")
    assert "b rings" in made.dialogue
    assert "b answers" not in made.dialogue


def test_with_d0_a_modem_answers_although_no_program_is_there(make: Make) -> None:
    made = make()
    called = made.open("b")
    called.ask("ATE0S0=1&D0&W")
    made.close_all("b")

    made.open("a").ask("ATDT1001", b"CONNECT 1000000\r\n")


# The carrier.


def test_a_lost_carrier_takes_the_port_from_whoever_minds_it(make: Make) -> None:
    made = make()
    caller, called = made.connected(clocal=False)
    second = made.open("a", clocal=False)
    called.close()

    for terminal in (caller, second):
        assert terminal.hung_up()
        with pytest.raises(OSError, match="Input/output error") as raised:
            os.write(terminal.fd, b"x")
        assert raised.value.errno == errno.EIO

    again = made.open("a")
    assert again.silent(), "NO CARRIER was for the one that was hung up on"
    again.ask("AT")


def test_with_clocal_a_program_keeps_its_port_and_is_told(make: Make) -> None:
    made = make()
    caller, called = made.connected()
    called.close()

    caller.until(b"\r\nNO CARRIER\r\n")
    caller.ask("AT")


def test_with_c0_the_carrier_never_goes(make: Make) -> None:
    made = make()
    caller = made.open("a", clocal=False)
    called = made.open("b")
    called.ask("ATE0S0=1")
    caller.ask("ATE0&C0")
    caller.ask("ATDT1001", b"CONNECT 1000000\r\n")
    called.close()

    caller.until(b"\r\nNO CARRIER\r\n")
    caller.ask("AT")


def test_the_carrier_that_goes_is_a_sighup_for_a_session(make: Make) -> None:
    made = make()
    called = made.open("b")
    called.ask("ATE0S0=1")
    # A login session: the port is its controlling terminal, and it has not set CLOCAL.
    program = f"""
import os, signal, tty
# Whoever started the tests may ignore it, as nohup(1) does.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.setsid()
port = os.open({os.fspath(made.folder / "a")!r}, os.O_RDWR)
tty.setraw(port)
os.write(port, b"ATE0DT1001\\r")
seen = b""
while b"CONNECT" not in seen:
    seen += os.read(port, 100)
while True:
    os.read(port, 100)
"""
    session = subprocess.Popen([sys.executable, "-c", program])
    called.until(b"CONNECT 1000000\r\n")
    called.close()

    assert session.wait(DEADLINE_S) == -signal.SIGHUP


def test_a_connection_is_left_and_resumed_and_hung_up_from_either_end(make: Make) -> None:
    made = make()
    caller, called = made.connected()
    for end, other in ((caller, called), (called, caller)):
        _escape(end)
        other.say(b"while it was away")
        end.say(b"ATO\r")
        end.until(b"CONNECT 1000000\r\nwhile it was away")
        end.say(b"and back")
        other.until(b"and back")

    _escape(called)
    called.ask("ATH")
    caller.until(b"NO CARRIER\r\n")

    caller.ask("ATDT1001", b"CONNECT 1000000\r\n")
    _escape(caller)
    caller.ask("ATH")
    called.until(b"NO CARRIER\r\n")


def _escape(terminal: Terminal) -> None:
    terminal.silent(0.15)
    terminal.say(b"+++")
    terminal.until(b"\r\nOK\r\n")


def test_ibms_table_of_result_codes(make: Make) -> None:
    made = make(rate_bit_s=2400, table=ResultTable.ibm)
    caller, called = made.open("a"), made.open("b")
    called.ask("ATE0S0=1")
    caller.ask("ATE0")
    for end in (caller, called):
        end.ask("ATV0", b"0\r")
    caller.say(b"ATDT1001\r")
    assert caller.until(b"\r") == b"9\r"
    assert called.until(b"\r") == b"2\r"
    assert called.until(b"\r") == b"9\r"


# Data.


class _Pump:
    """Sends data into a terminal and takes what another end sent, both ways at once."""

    def __init__(self, terminal: Terminal, data: bytes, expected: int) -> None:
        self.got = bytearray(terminal.seen)
        self._terminal, self._data, self._expected = terminal, data, expected
        self._threads = [threading.Thread(target=each) for each in (self._send, self._take)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        rest = memoryview(self._data)
        while rest:
            rest = rest[os.write(self._terminal.fd, rest) :]

    def _take(self) -> None:
        while len(self.got) < self._expected:
            self.got += os.read(self._terminal.fd, 1 << 16)

    def result(self) -> bytes:
        for thread in self._threads:
            thread.join(DEADLINE_S * 3)
        return bytes(self.got)


def test_a_terminal_that_is_faster_than_the_line_loses_nothing_either_way(make: Make) -> None:
    made = make(rate_bit_s=2_000_000)
    caller, called = made.connected()
    there, back = os.urandom(300_000), os.urandom(200_000)
    pumps = (_Pump(caller, there, len(back)), _Pump(called, back, len(there)))
    began = time.monotonic()

    assert pumps[1].result() == there
    assert pumps[0].result() == back
    assert time.monotonic() - began > len(there) * 8 / 2_000_000 * 0.8, "the line has a rate"


def _stuff(terminal: Terminal) -> int:
    """How many bytes a port takes until it takes none for a while."""
    os.set_blocking(terminal.fd, False)
    taken, last = 0, time.monotonic()
    while time.monotonic() < last + 0.3 and taken < 1_000_000:
        try:
            taken += os.write(terminal.fd, bytes(1000))
            last = time.monotonic()
        except BlockingIOError:
            threading.Event().wait(0.01)
    os.set_blocking(terminal.fd, True)
    return taken


def test_no_more_is_held_for_a_slow_line_than_a_modem_can(make: Make) -> None:
    made = make(rate_bit_s=1200)
    caller, _ = made.connected()

    # The PTY alone holds 22 KB.
    assert _stuff(caller) < 22_100 + 3 * equipment_module.MOST_QUEUED_BYTES


def test_a_program_that_does_not_read_stops_its_call_and_no_other(make: Make) -> None:
    made = make(names="abcd")
    caller, called = made.connected()
    taken = _stuff(caller)
    assert taken < 64_000
    station = made.equipment._stations["b"]
    assert station.port.waiting <= 4 * equipment_module.MOST_QUEUED_BYTES

    others = made.open("c"), made.open("d")
    others[1].ask("ATE0S0=1")
    others[0].ask("ATE0DT1003", b"CONNECT 1000000\r\n")
    others[0].say(b"not stopped")
    others[1].until(b"not stopped")
    called.say(b"nor the other way")
    caller.until(b"nor the other way")

    # Nothing was lost by it.
    while len(called.seen) < taken:
        called.seen += os.read(called.fd, 1 << 16)
    caller.say(b"the end")
    assert called.until(b"the end") == bytes(taken) + b"the end"


def test_who_waits_for_a_reader_is_let_go_when_that_one_leaves(make: Make) -> None:
    made = make()
    caller, called = made.connected()
    _stuff(caller)
    called.close()

    caller.until(b"NO CARRIER\r\n")
    caller.ask("AT")


# The thread.


class _Turns:
    """Counts how often the thread wakes; not for what others do in /dev/pts."""

    def __init__(self, made: Cabinet, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._sleep: object = None
        """A long one, until something comes."""
        selector = made.equipment._selector
        self._select = selector.select

        def select(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            self._sleep = object() if timeout is None else None
            found = self._select(timeout)
            self._sleep = None
            self.count += [key.fileobj for key, _ in found] != [made.equipment._watch]
            return found

        patch.setattr(selector, "select", select)

    def settle(self) -> None:
        """Return once it sleeps, and nothing is there that wakes it."""
        wait_until("it sleeps", self._sleeps, DEADLINE_S)

    def _sleeps(self) -> bool:
        sleep = self._sleep
        return sleep is not None and not self._select(0) and self._sleep is sleep


def test_an_idle_exchange_makes_no_wake_ups(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(names="abcdef")
    turns = _Turns(made, monkeypatch)
    made.open("c").ask("AT")
    turns.settle()
    before = turns.count
    threading.Event().wait(1.0)

    assert turns.count == before


def test_a_call_that_carries_nothing_only_has_its_ports_looked_at(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(names="abcd")
    turns = _Turns(made, monkeypatch)
    caller, called = made.connected()
    others = made.open("c"), made.open("d")
    others[1].ask("ATE0S0=1")
    others[0].ask("ATE0DT1003", b"CONNECT 1000000\r\n")
    others[1].until(b"CONNECT 1000000\r\n")
    threading.Event().wait(2 * LOOK_S)
    began, before = time.monotonic(), turns.count
    wait_until("a second look", lambda: turns.count >= before + 2, DEADLINE_S)
    threading.Event().wait(2 * LOOK_S)
    looks = turns.count - before
    # However long this machine took for it.
    assert looks <= (time.monotonic() - began) / LOOK_S + 1, "all ports at once"

    caller.say(b"still")
    called.until(b"still")
    for terminal in (caller, others[0]):
        terminal.close()
    called.until(b"NO CARRIER\r\n")
    others[1].until(b"NO CARRIER\r\n")
    turns.settle()
    before = turns.count
    threading.Event().wait(3 * LOOK_S)
    assert turns.count == before, "when the calls are over nobody looks"


def test_what_ends_the_thread_is_told_and_everybody_is_hung_up(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make()
    first, second = made.open("a"), made.open("b")
    first.ask("AT")

    def break_down(*_: object) -> list[object]:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Modem, "from_terminal", break_down)
    first.say(b"AT\r")
    wait_until("the failure", lambda: made.equipment.broke.error, DEADLINE_S)

    with pytest.raises(ThreadBroke, match=r"the telephone broke: RuntimeError\('a defect'"):
        made.equipment.check()
    assert first.hung_up()
    assert second.hung_up()
    assert not (made.folder / "a").exists()


# What can be wrong with a modem.


def test_a_dead_modem_says_nothing_and_rings_nobody(make: Make) -> None:
    made = make(broken=(("a", ModemFault.dead),))
    terminal = made.open("a")
    terminal.say(b"AT\rATDT1001\r")
    assert terminal.silent(0.3)


def test_a_modem_that_sends_garbage_never_says_ok(make: Make) -> None:
    made = make(broken=(("a", ModemFault.garbage),))
    terminal = made.open("a")
    terminal.say(b"AT\r")
    assert b"OK" not in terminal.until(equipment_module.GARBAGE)


def test_a_modem_that_is_pulled_out_takes_its_port_along_in_mid_call(make: Make) -> None:
    made = make(broken=(("a", ModemFault.unplugged),))
    caller, called = made.connected()
    caller.say(bytes(equipment_module.UNPLUGGED_AFTER_BYTES + 1))

    assert caller.hung_up()
    called.until(b"NO CARRIER\r\n")
    assert not os.path.lexists(made.folder / "a")


def test_rules_befall_calls(make: Make) -> None:
    made = make(rules=(CallRule(outcome=Outcome.busy, caller="a", times=1),))
    made.open("b").ask("ATE0S0=1")
    caller = made.open("a")
    caller.ask("ATDT1001", b"BUSY\r\n")
    caller.ask("ATDT1001", b"CONNECT 1000000\r\n")


def test_at_the_end_nothing_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = possessions()
    with cabinet(tmp_path, monkeypatch) as made:
        caller, _ = made.connected()
        caller.say(b"x" * 1000)
    # What an earlier test left behind may go meanwhile.
    assert not possessions() - before
    assert made.equipment.broke.error is None
    assert not os.path.lexists(tmp_path / "a")
    assert "telephone" not in {thread.name for thread in threading.enumerate()}
