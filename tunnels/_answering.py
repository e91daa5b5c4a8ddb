"""What a LIG's modem is told and what it says: V.250 from the terminal's side, answering calls only.

No clock, descriptor or thread: bytes and times come in, bytes to send and a state come out.
"""

from __future__ import annotations

import re
from enum import StrEnum

SET_UP = ("ATZ", "ATE0V1S0=0&C1&D2")
"""The modem's own defaults; then no echo, words, no answer by itself, DCD and DTR as they are."""
ANSWER = "ATA"

COMMAND_S = 5.0
TRIES = 3
ANSWER_S = 70.0
"""Longer than S7 is by default: the modem gives up first, and says so."""
RING_GAP_S = 12.0
"""Two rings with more time between them belong to two calls: a cadence is 6 s at most."""

_FAILED = ("NO CARRIER", "NO ANSWER", "NO DIALTONE", "BUSY", "ERROR")
_CONNECT = re.compile(r"CONNECT(?: (\d+))?")


class AnsweringState(StrEnum):
    setting_up = "setting up"
    waiting = "waiting"
    """For a call."""
    answering = "answering"
    connected = "connected"
    """What the modem says now is the caller's, and not for us."""
    dead = "dead"
    """It does not answer as a modem does."""


class Answering:
    """A modem and its state, from ``begin`` to ``connected``, and again after the call."""

    def __init__(self) -> None:
        self.state = AnsweringState.dead
        self.deadline: float | None = None
        """When ``expire`` is wanted."""
        self.rate_bit_s = 0
        """Of the call, as the modem says it; 0 if it does not."""
        self.unanswered = 0
        """Calls that were left to ring."""
        self._step = 0
        self._tries = 0
        self._rang_at = -RING_GAP_S
        self._partial = b""

    def begin(self, now: float) -> bytes:
        """Set the modem up, whatever it did before."""
        self._tries = 0
        return self._set_up(now)

    def hear(self, data: bytes, now: float, *, may_answer: bool) -> bytes:
        """What the modem says; returns what to send."""
        *lines, self._partial = re.split(rb"[\r\n]+", self._partial + data)
        answer = b""
        for line in lines:
            if self.state is not AnsweringState.connected:
                answer += self._line(line.decode("ascii", "replace").strip(), now, may_answer)
        # A modem that never ends a line is none.
        self._partial = self._partial[-80:]
        return answer

    def expire(self, now: float) -> bytes:
        """The deadline has passed."""
        if self.state is AnsweringState.answering:
            self._tries = 0
        if self._tries >= TRIES:
            self.state, self.deadline = AnsweringState.dead, None
            return b""
        return self._set_up(now)

    def _line(self, line: str, now: float, may_answer: bool) -> bytes:
        if self.state is AnsweringState.setting_up and line == "OK":
            self._step += 1
            if self._step < len(SET_UP):
                return self._send(SET_UP[self._step], now + COMMAND_S)
            self.state, self.deadline = AnsweringState.waiting, None
        elif self.state is AnsweringState.waiting and line == "RING":
            return self._ring(now, may_answer)
        elif self.state is AnsweringState.answering:
            if connect := _CONNECT.match(line):
                self.state, self.deadline = AnsweringState.connected, None
                self.rate_bit_s = int(connect[1] or 0)
            elif line in _FAILED:
                return self.begin(now)
        return b""

    def _ring(self, now: float, may_answer: bool) -> bytes:
        another = now - self._rang_at > RING_GAP_S
        self._rang_at = now
        if not may_answer:
            self.unanswered += another
            return b""
        self.state = AnsweringState.answering
        return self._send(ANSWER, now + ANSWER_S)

    def _set_up(self, now: float) -> bytes:
        self._tries += 1
        self._step = 0
        self._partial = b""
        self.state = AnsweringState.setting_up
        return self._send(SET_UP[0], now + COMMAND_S)

    def _send(self, command: str, deadline: float) -> bytes:
        self.deadline = deadline
        return f"{command}\r".encode()
