"""Every command, and what there is to set, with defaults and ranges: the table from which pages are made.

The table is ``repertoire.tsv``. What is without ``effect`` is taken all the same, since initialisation
strings for real modems are full of it; docs/at-settings.md says why it has none. Ranges and defaults that
V.250 does not have are those of Rockwell's and Conexant's chip sets, which most modems were made of, and of
Hayes. No values are kept here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TypeAlias

Value: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric value."""

    default: int
    allowed: str
    """As ``+X=?`` has it (V.250 5.7.3): ``0-3``, ``0,1``, ``0,300-56000``."""
    missing: int | None = None
    """What it is set to where no value is given; None: it stays as it is."""

    def allows(self, value: int) -> bool:
        spans = (span.partition("-") for span in self.allowed.split(","))
        return any(int(low) <= value <= int(high or low) for low, _, high in spans)

    def parse(self, text: str) -> Value:
        if not (text.isascii() and text.isdigit() and self.allows(int(text))):
            raise ValueError(f"{text!r} is none of {self.allowed}")
        return int(text)


@dataclass(frozen=True, slots=True)
class Word:
    """A value that is one of some words, with or without quotes."""

    default: str
    allowed: str
    """Parted by commas."""
    missing: None = None

    def parse(self, text: str) -> Value:
        word = text.strip('"').upper()
        if word not in self.allowed.split(","):
            raise ValueError(f"{text!r} is none of {self.allowed}")
        return word


@dataclass(frozen=True, slots=True)
class Setting:
    """What one command sets: a number, or by a ``+`` parameter several values.

    What a value that is not given means, the definition of each parameter is to say (V.250 5.4.4.2). Most do
    not: there it stays as it was, as the manuals of chip sets have it.
    """

    fields: tuple[Number | Word, ...]
    effect: bool
    help: str

    @property
    def defaults(self) -> tuple[Value, ...]:
        return tuple(each.default for each in self.fields)

    def parse(self, texts: Sequence[str], before: Sequence[Value]) -> tuple[Value, ...]:
        """What ``before`` becomes by the values that are given; raises ValueError."""
        if len(texts) > len(self.fields):
            raise ValueError(f"{len(texts)} values for {len(self.fields)}")
        given = [*texts, *[""] * len(self.fields)]
        values = list(before)
        for at, kind in enumerate(self.fields):
            if given[at]:
                values[at] = kind.parse(given[at])
            elif kind.missing is not None:
                values[at] = kind.missing
        return tuple(values)


def _read() -> Iterator[tuple[str, Setting]]:
    table = resources.files(__package__).joinpath("repertoire.tsv").read_text(encoding="utf-8")
    for row in table.splitlines():
        if not row.startswith("#"):
            name, values, effect, help = row.split("\t")
            fields = () if values == "-" else tuple(map(_field, values.split()))
            yield name, Setting(fields, effect == "yes", help)


def _field(text: str) -> Number | Word:
    default, allowed, *missing = text.split(":")
    if not default.isdigit():
        return Word(default, allowed)
    return Number(int(default), allowed, int(missing[0]) if missing else None)


_TABLE = dict(_read())
COMMANDS: Mapping[str, str] = {name: each.help for name, each in _TABLE.items()}
"""Every command by its name, with its one line of description."""
SETTINGS: Mapping[str, Setting] = {name: each for name, each in _TABLE.items() if each.fields}
"""All there is to set, by the name of its command."""
REGISTERS = {name: each for name, each in SETTINGS.items() if name[0] == "S"}
PARAMETERS = {name: each for name, each in SETTINGS.items() if name[0] == "+"}
SWITCHES = {name: each for name, each in SETTINGS.items() if name[0] not in "S+"}

# What a terminal needs to be understood at all comes back by Z, whatever was stored (a Hayes habit).
VOLATILE = ("S1", "S3", "S4", "S5")
REPORT_BITS: Mapping[str, int] = {"+MR": 4, "+ER": 8, "+DR": 32}
"""Parameters that are another name for a bit of S95."""
ALIASES: Mapping[str, Mapping[int, tuple[Value, ...]]] = {
    "&K": {0: (0, 0), 3: (2, 2), 4: (1, 1), 5: (3, 1)},
    "\\Q": {0: (0, 0), 1: (1, 1), 2: (0, 2), 3: (2, 2)},
}
"""Switches that are another name for some values of +IFC."""
