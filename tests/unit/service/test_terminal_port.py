"""The port of a DS8000's terminal: one call at a time, an end that is heard of, a defect that is told."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from lab.errors import ThreadBroke
from lab.linux.worker import start_worker
from lab.service.terminal import LogInState
from lab.service.terminal_port import TerminalPort
from tunnels.answering import ToldToEnd

TakeCall = Callable[[int, int], LogInState]


class ScriptedTerminal:
    """Stands for the console's: does what a test says with each call."""

    def __init__(self, *calls: TakeCall) -> None:
        self._calls = iter(calls)

    def take_call(self, line: int, told: int) -> LogInState:
        return next(self._calls)(line, told)


def says(text: bytes, state: LogInState) -> TakeCall:
    def take(line: int, told: int) -> LogInState:
        os.write(line, text)
        return state

    return take


def breaks(defect: Exception) -> TakeCall:
    def take(line: int, told: int) -> LogInState:
        raise defect

    return take


def waits(taken: threading.Event) -> TakeCall:
    def take(line: int, told: int) -> LogInState:
        taken.set()
        poller = select.poll()
        poller.register(told, select.POLLIN)
        poller.poll()
        raise ToldToEnd

    return take


@contextlib.contextmanager
def serving(*calls: TakeCall) -> Iterator[tuple[TerminalPort, Callable[[], bytes]]]:
    """A port on loopback, and what a caller hears until the port hangs up."""
    over = os.eventfd(0, os.EFD_CLOEXEC)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)

    def call() -> bytes:
        with socket.create_connection(listener.getsockname(), 10.0) as caller:
            return caller.makefile("rb").read()

    terminal = ScriptedTerminal(*calls)
    port = TerminalPort("a terminal", listener, terminal, over)  # type: ignore[arg-type]
    try:
        with listener, start_worker(port.run, "terminal"):
            yield port, call
    finally:
        os.close(over)


def is_over(port: TerminalPort, wait_s: float = 10.0) -> bool:
    poller = select.poll()
    poller.register(port.over, select.POLLIN)
    return bool(poller.poll(1000 * wait_s))


def test_calls_that_come_to_nothing_are_taken_one_after_another() -> None:
    gone, late = LogInState.asking, LogInState.timed_out
    with serving(says(b"one", gone), says(b"two", late)) as (port, call):
        assert (call(), call()) == (b"one", b"two")
        assert not is_over(port, 0.0)


@pytest.mark.parametrize("last", [LogInState.let_in, LogInState.locked_out])
def test_one_that_was_let_in_or_locked_out_is_the_last(last: LogInState) -> None:
    """And the last words get through."""
    with serving(says(b"good-bye", last)) as (port, call):
        assert call() == b"good-bye"
        assert is_over(port)
        assert port.state is last
        port.check()


def test_who_is_told_to_end_ends_in_the_middle_of_a_call() -> None:
    heard: list[bytes] = []
    taken = threading.Event()
    with serving(waits(taken)) as (port, call):
        caller = threading.Thread(target=lambda: heard.append(call()))
        caller.start()
        assert taken.wait(60.0)
    caller.join(10.0)
    assert heard == [b""]
    port.check()


@pytest.mark.parametrize("defect", [RuntimeError("a defect"), BlockingIOError("no process")])
def test_a_defect_ends_the_port_and_is_told_once(defect: Exception) -> None:
    with serving(breaks(defect)) as (port, call):
        with contextlib.suppress(ConnectionError):
            call()
        assert is_over(port)
        with pytest.raises(ThreadBroke, match="a terminal"):
            port.check()
        port.check()
