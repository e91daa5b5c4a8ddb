"""What a modem that answers is told and what it says: V.250 from the terminal's side."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import deque
from math import inf

from lab.linux.worker import readable

INIT = "ATZ"
"""The modem's own defaults."""
SET_UP = "ATE0V1S0={rings}&C1&D2"
"""No echo, words, after how many rings it answers by itself (0: never), and DCD and DTR as they are."""
ANSWER = "ATA"

COMMAND_S = 5.0
TRIES = 3
READ_BYTES = 4096
ANSWER_S = 70.0
"""Longer than S7 is by default: the modem gives up first, and says so."""

_OK = re.compile("OK")
_ANSWERED = re.compile(r"CONNECT(?: (\d+))?.*|NO CARRIER|NO ANSWER|NO DIAL ?TONE|BUSY|ERROR")


class HungUpOn(Exception):
    """The port was closed on us: the modem is another now, or none."""


class ToldToEnd(Exception):
    """The bank is to end."""


def read_some(line: int) -> bytes:
    """What has come by a line that does not block; nothing if nothing has. Raises HungUpOn if it is gone."""
    try:
        data = os.read(line, READ_BYTES)
    except BlockingIOError:
        return b""
    except OSError as gone:
        raise HungUpOn from gone
    if not data:
        raise HungUpOn
    return data


def pause(told: int, seconds: float) -> None:
    """Wait, for ever if ``seconds`` are inf; raises ToldToEnd if ``told`` is readable before."""
    if readable(told).poll(None if seconds == inf else seconds * 1000):
        raise ToldToEnd


class AnsweringModem:
    """A modem at an open port, for the thread of its line; ``told`` is readable when that is to end.

    ``init`` is what it is told first: of a maker's modem the string that suits it.
    """

    def __init__(self, port: int, told: int, init: str = INIT) -> None:
        self._port = port
        self._init = init
        self._told = told
        self._poller = readable(port, told)
        self._lines: deque[str] = deque()
        self._partial = b""

    def set_up(self, rings: int = 0) -> bool:
        """Whether the modem does what it is told, at the third try at the latest."""
        commands = (self._init, SET_UP.format(rings=rings))
        return any(
            all(self._ask(command, _OK, COMMAND_S) for command in commands) for _ in range(TRIES)
        )

    def answer(self) -> int | None:
        """Answer a call that rings: the rate that CONNECT has, or 0; None if the call came to nothing."""
        said = self._ask(ANSWER, _ANSWERED, ANSWER_S)
        return _rate(said)

    def wait_for_call(self) -> int:
        """The rate of the next call that the modem has answered by itself, or 0."""
        while (rate_bit_s := _rate(_ANSWERED.fullmatch(self.hear()))) is None:
            pass
        return rate_bit_s

    def hear(self, deadline: float | None = None) -> str:
        """The next line that the modem says; empty if none is whole by the deadline (monotonic)."""
        while not self._lines:
            left_ms = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            ready = [descriptor for descriptor, _ in self._poller.poll(left_ms)]
            if self._told in ready:
                raise ToldToEnd
            if not ready:
                return ""
            *lines, self._partial = re.split(rb"[\r\n]+", self._partial + read_some(self._port))
            words = (line.decode("ascii", "replace").strip() for line in lines)
            self._lines.extend(filter(None, words))
            # A modem that never ends a line is none.
            self._partial = self._partial[-80:]
        return self._lines.popleft()

    def _ask(
        self, command: str, answers: re.Pattern[str], patience_s: float
    ) -> re.Match[str] | None:
        # Hung up, or nobody reads: then it will not answer in time.
        with contextlib.suppress(OSError):
            os.write(self._port, f"{command}\r".encode())
        deadline = time.monotonic() + patience_s
        # A modem may babble on for ever.
        while time.monotonic() < deadline:
            if found := answers.fullmatch(self.hear(deadline)):
                return found
        return None


def _rate(said: re.Match[str] | None) -> int | None:
    """Of CONNECT, 0 if it has none; None of anything else."""
    return int(said[1] or 0) if said is not None and said[0].startswith("CONNECT") else None
