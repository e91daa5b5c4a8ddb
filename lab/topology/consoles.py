"""Consoles that help each other out, as a topology file says, and as it is decided. Plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleCard:
    """A network card of a console, on which it broadcasts (M-01)."""

    segment: str
    address: str
    broadcast: str
    """The subnet's broadcast address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPort:
    """Where a console finds a system that it manages (M-02)."""

    name: str
    address: str
    card: str
    """The console's own, on the link that the two have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """A Hardware Management Console that takes part in discovery."""

    node: str
    cards: tuple[ConsoleCard, ...]
    systems: tuple[SystemPort, ...]
    """Those that it manages."""
    box: str
    """The DS8000 that it is in (M-09); empty: in none."""
