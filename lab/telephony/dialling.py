"""Dial strings (V.250 6.3.1, and of Hayes L and R): what the modem does for them, step by step.

Which modifiers there are, docs/at-commands.md says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from lab.telephony.command_line import CommandError
from lab.telephony.signals import DialDigits


@dataclass(frozen=True, slots=True)
class Pause:
    """Waiting for the seconds in a register."""

    register: str


class Await(Enum):
    """What else is waited for."""

    first_tone = auto()
    """Dial tone before any digit, if there is none yet; a modem gives up earlier than on another."""
    tone = auto()
    quiet = auto()
    """Silence (``@``)."""
    flash = auto()
    """The end of a hook flash."""


Step: TypeAlias = DialDigits | Pause | Await

_SIMPLE: Mapping[str, Step] = {
    ",": Pause("S8"),
    "W": Await.tone,
    "@": Await.quiet,
    "!": Await.flash,
}
_STORED = re.compile(r"S(?:=(\d+))?[^;]*")
_CODE = re.compile(r"\\([0-9A-Fa-f]{2})")
STORABLE = frozenset('0123456789ABCD#*+,"TPW@!;')
MAX_STORED = 64
"""Characters of a number kept by ``+ASTO``."""
_NESTED = re.compile(r"S|^[TP]*L")


@dataclass(frozen=True, slots=True)
class DialString:
    """A dial string, understood."""

    steps: tuple[Step, ...]
    hold: bool
    """Stay in command state afterwards (``;``)."""
    tone: bool
    """How the next string begins, if it does not say (V.250 6.3.1.3, 6.3.1.4)."""
    text: str
    """The string with what was stored put in, for ``L``."""


def check_stored(text: str) -> None:
    """Refuse to store what would look up a number in its turn."""
    if _NESTED.search(text):
        raise CommandError(text)


def parse_stored(text: str) -> str:
    """What is kept of a string constant (V.250 5.4.2.2) as a number to dial (6.3.15)."""
    if len(text) < 2 or not text.startswith('"') or not text.endswith('"'):
        raise CommandError(text)
    plain = _CODE.sub(lambda found: chr(int(found[1], 16)), text[1:-1]).upper()
    kept = "".join(character for character in plain if character in STORABLE)
    if len(kept) > MAX_STORED:
        raise CommandError(text)
    return kept


def parse_dial(text: str, *, tone: bool, numbers: Sequence[str], last: str) -> DialString:
    """Read a dial string; what is neither a digit nor a modifier is passed over (V.250 6.3.1).

    So people may write ``+1 (555) 12-34``. Only what points to no number is an error.
    """
    text = _expanded(text, numbers, last)
    text, held, _ = text.partition(";")
    steps: list[Step] = []
    for character in text:
        if character in "TP":
            tone = character == "T"
        elif character in _SIMPLE:
            steps.append(_SIMPLE[character])
        elif character in "0123456789" or (tone and character in "*#ABCD"):
            if steps and isinstance(before := steps[-1], DialDigits):
                steps[-1] = DialDigits(before.digits + character)
            else:
                steps.append(DialDigits(character))
    return DialString(tuple(steps), bool(held), tone, text + held)


def _expanded(text: str, numbers: Sequence[str], last: str) -> str:
    def stored(found: re.Match[str]) -> str:
        at = int(found[1] or 0)
        if at >= len(numbers) or not numbers[at]:
            raise CommandError(found[0])
        return numbers[at]

    mode = text[: len(text) - len(text.lstrip("TP"))]
    rest = text[len(mode) :]
    if rest.startswith("L"):
        if not last:
            raise CommandError("no number was dialled yet")
        rest = last + rest[1:]
    return mode + _STORED.sub(stored, rest)
