"""A family of modems: what tells one maker's from the lab's own modem. A part of the model, plain data.

The lab's own modem is V.250's, with the commands of ``lab/telephony/repertoire.tsv``. A family says what is
otherwise; what it means is written in commands of the lab's own modem.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyCommand:
    """A command of the family's own, or one that means something else than the lab's of that name."""

    name: str
    """``&H``, ``$MB``, ``X``."""
    default: int | None
    """None: its numbers are not one setting, but each does something (``&E`` of Multi-Tech)."""
    values: tuple[tuple[int, int, str], ...]
    """From which number to which, and what these mean, in commands of the lab's own modem; ``{n}`` is the
    number, and nothing means that it is taken without effect."""

    def meaning(self, number: int) -> str | None:
        """The commands of the lab's own modem; None: the command has no such number."""
        found = (text for low, high, text in self.values if low <= number <= high)
        text = next(found, None)
        return None if text is None else text.replace("{n}", str(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModemFamily:
    """One maker's modems."""

    name: str
    """As the topology has it: ``usr-courier``, or the user's own file ``./mine.yaml``."""
    title: str
    init: str
    """What sets it up for a dialler: words, RTS/CTS, DCD follows the carrier, DTR hangs up."""
    rates: tuple[tuple[int, int], ...]
    """Rate in bit/s, and the number of its CONNECT."""
    no_dialtone: str
    """The words of result 6."""
    connect: tuple[tuple[str, int, str], ...] = ()
    """A command and its number, and what then follows CONNECT instead of the rate."""
    texts: tuple[tuple[str, str], ...] = ()
    """Command and what it says: ``I3``, ``+GMM``."""
    defaults: tuple[tuple[str, str], ...] = ()
    """Setting of the lab's own modem, and another default for it."""
    units_s: tuple[tuple[str, float], ...] = ()
    """Register, and what it counts, in seconds, where that is another unit."""
    factory: tuple[tuple[int, str], ...] = ()
    """Number of ``&F``, and what it sets beyond the defaults, in commands of the family."""
    stored: int = 0
    """Of which ``&F`` the stored profiles are at first."""
    commands: tuple[FamilyCommand, ...] = ()
    lacks: tuple[str, ...] = ()
    """Commands and registers of the lab's own modem that it answers with ERROR."""

    @property
    def own_names(self) -> list[str]:
        """Of its own commands, the longest first: ``$MB`` is not ``$M``."""
        return sorted((each.name for each in self.commands), key=len, reverse=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyOfNode:
    """Of which family all modems of a node are."""

    node: str
    family: ModemFamily


def find(families: Iterable[FamilyOfNode], node: str) -> ModemFamily | None:
    """The family of a node's modems; None: they are the lab's own."""
    return next((each.family for each in families if each.node == node), None)


def folder() -> Path:
    """Where the families that the lab knows have their files."""
    return Path(__file__).parents[1] / "data" / "modems"


@cache
def names() -> tuple[str, ...]:
    """The families that the lab knows."""
    return tuple(sorted(path.stem for path in folder().glob(f"*{SUFFIX}")))
