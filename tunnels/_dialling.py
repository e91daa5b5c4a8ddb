"""What a modem answers a dialler, and what is to be done next: one table, no effects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lab.errors import ProtocolError
from lab.record.record import DialCause

SET_UP = "ATE1V1Q0&C1&D2"
"""Words, and the two circuits as they are: what the table below relies on. What the modem hears on the
line (X) is the init string's: behind a PBX there may be no dial tone."""


class ModemFailed(ProtocolError):
    """A modem is not there, or does not do what it is told."""

    def __init__(
        self, cause: DialCause, message: str, *, refused: str = "", refusal: str = ""
    ) -> None:
        super().__init__(message)
        self.cause = cause
        self.refused = refused
        self.refusal = refusal


class Next(StrEnum):
    """What follows from an answer."""

    connected = "connected"
    next_number = "next number"
    give_up = "give up"
    """No other number would do better."""


@dataclass(frozen=True, slots=True)
class FinalResult:
    """A final result code."""

    said: str
    then: Next
    sentence: str
    """What went wrong; empty if nothing did."""
    rate_bit_s: int = 0


_TABLE: tuple[tuple[bytes, Next, str], ...] = (
    (rb"\r\n(OK)\r\n", Next.give_up, ""),
    (rb"\r\n(CONNECT(?: (\d+)[^\r\n]*)?)\r\n", Next.connected, ""),
    (rb"\r\n(BUSY)\r\n", Next.next_number, "the number is busy"),
    (rb"\r\n(NO ANSWER)\r\n", Next.next_number, "nobody answers"),
    (rb"\r\n(NO CARRIER)\r\n", Next.next_number, "no modem answers there"),
    (rb"\r\n(NO DIALTONE)\r\n", Next.give_up, "the line has no dial tone"),
    (rb"\r\n(ERROR)\r\n", Next.give_up, "the modem refuses the command"),
)

PATTERNS = tuple(pattern for pattern, _, _ in _TABLE)
"""Of final result codes in words (V.250 5.7.1), in the order in which ``interpret`` counts."""


def interpret(place: int, match: re.Match[bytes] | Any) -> FinalResult:
    """The answer whose pattern matched."""
    _, then, sentence = _TABLE[place]
    rate = match[2] if match.re.groups > 1 else None
    return FinalResult(match[1].decode(), then, sentence, int(rate or 0))
