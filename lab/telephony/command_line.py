"""Command lines: from the terminal's bytes to lines (V.250 5.2), and from a line to commands (5.3, 5.4).

Nothing is executed here, and no command is known here: what has the form of a command is one.
Bit 8 of what the terminal sends is ignored (V.250 5.1), so any parity does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

MAX_BODY = 255
"""Characters between ``AT`` and the end; V.250 5.2.1 asks for 40, and initialisation strings are long."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A line that came to its end."""

    body: str | None
    """None: there were too many characters."""


class LineReader:
    """Finds the prefix, edits and collects the body, repeats the last body by ``A/``.

    The prefix is echoed once it is whole, and nothing before it. So results that a terminal with echo
    sends back come to rest here, instead of going round for ever.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        """The ``A`` that may begin a prefix, as it came."""
        self._body: bytearray | None = None
        self._too_long = False
        self._last = ""

    def reset(self) -> None:
        """Forget a line that was begun."""
        self._first = self._body = None
        self._too_long = False

    def feed(self, byte: int, *, end: int, erase: int) -> tuple[bytes, CommandLine | None]:
        """Take one byte; ``end`` is S3, ``erase`` S5. Gives what to echo, and the line if this ends one."""
        if self._body is None:
            return self._prefix(byte)

        character = byte & 0x7F
        if character == end:
            line = CommandLine(None if self._too_long else self._body.decode("ascii"))
            self.reset()
            if line.body is not None:
                self._last = line.body
            return bytes((byte,)), line
        if character == erase:
            if not self._body:
                return b"", None  # the prefix stands
            self._body.pop()
            return bytes((erase, 0x20, erase)), None

        # Other control characters are dropped (V.250 5.2.2), DEL too, but seen on the screen as typed.
        if 0x20 <= character < 0x7F:
            if len(self._body) < MAX_BODY:
                self._body.append(character)
            else:
                self._too_long = True
        return bytes((byte,)), None

    def _prefix(self, byte: int) -> tuple[bytes, CommandLine | None]:
        character = byte & 0x7F
        first, self._first = self._first, None
        if character in b"Aa":
            self._first = byte
        elif first is None:
            pass
        elif character == ord("/"):
            return bytes((first, byte)), CommandLine(self._last)
        # Both letters in the same case (V.250 5.2.1).
        elif character in b"Tt" and (character ^ first) & 0x20 == 0:
            self._body = bytearray()
            return bytes((first, byte)), None
        return b"", None


class CommandError(ValueError):
    """The line cannot be executed from here on."""


class Form(Enum):
    """What is asked of a command (V.250 5.2.5)."""

    execute = auto()
    """The name, perhaps with a number."""
    set = auto()
    read = auto()
    test = auto()


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a line."""

    name: str
    """``E``, ``&C``, ``+IPR``; ``S`` for a register, and for ``=`` and ``?`` alone."""
    form: Form = Form.execute
    value: str = ""
    """What follows ``=``, or the dial string of ``D``."""
    number: int | None = None
    """The number behind a basic command; None: there was none."""


# A value may hold a semicolon between quotes only (V.250 5.4.2.2, 5.4.5.1).
_EXTENDED = re.compile(r"(\+[A-Z][A-Z0-9!%\-./:_]*)(=\?|\?|=((?:[^;\"]|\"[^\"]*\")*))?(?:;|$)")
_STORED_NUMBER = re.compile(r"&Z(\d*)(?:(\?)|=(.*))")
_DIAL = re.compile(r"D([^;]*;?)")
# A register alone, and = and ? alone, which mean the last one that was named, are habits of Hayes.
_REGISTER = re.compile(r"(?=[S=?])(?:S(\d*+))?+(?:(\?)|(=)(\d*+))?+(?! )")
# A basic command has no forms with = and ?; if E? were E0 and then ?, it would change what it asks for.
_BASIC = re.compile(r"([&%\\]?[A-Z])(\d*)(?![\d=? ])")
_NUMBER = re.compile(r"(\d*)(?![\d=? ])")
_SPACES = re.compile(r"(?<![\d ]) +| +(?![\d ])")
"""Except within a number, where it has none to be in (V.250 5.2.1, 5.4.2.1)."""


def tidy(body: str) -> str:
    """Drop spaces and use capitals, outside of quotes (V.250 5.1, 5.2.1, 5.4.2.2)."""
    parts = body.split('"')
    parts[::2] = (_SPACES.sub("", part).upper() for part in parts[::2])
    return '"'.join(parts)


def next_command(text: str, own: Iterable[str] = ()) -> tuple[Command, str]:
    """The first command of a tidied line that is not empty, and the rest; raises CommandError.

    ``own`` are the names of a family's own commands, which take a number as basic commands do.
    """
    for name in own:
        if text.startswith(name) and (found := _NUMBER.match(text, len(name))):
            return Command(name, number=_number(found[1])), text[found.end() :]
    for pattern, build in _SYNTAX:
        if found := pattern.match(text):
            return build(found), text[found.end() :]
    raise CommandError(text)


def _extended(found: re.Match[str]) -> Command:
    name, operator, value = found[1], found[2], found[3]
    if operator is None:
        return Command(name)
    if value is not None and operator != "=?":
        return Command(name, Form.set, value)
    return Command(name, Form.test if operator == "=?" else Form.read)


def _stored_number(found: re.Match[str]) -> Command:
    form = Form.read if found[2] else Form.set
    return Command("&Z", form, (found[3] or "").replace(" ", ""), _number(found[1]))


def _register(found: re.Match[str]) -> Command:
    number = None if found[1] is None else int(found[1] or 0)
    if found[2]:
        return Command("S", Form.read, number=number)
    if found[3]:
        return Command("S", Form.set, found[4] or "0", number)
    return Command("S", number=number)


def _number(digits: str) -> int | None:
    return int(digits) if digits else None


_SYNTAX: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Command]], ...] = (
    (_REGISTER, _register),
    (_EXTENDED, _extended),
    (_DIAL, lambda found: Command("D", value=found[1])),
    (_STORED_NUMBER, _stored_number),
    (_BASIC, lambda found: Command(found[1], number=_number(found[2]))),
)
"""Tried in this order: D, S and &Z take what a basic command has no place for."""
