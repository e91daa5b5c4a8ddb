"""Consoles that help each other out, as a topology file says, and as it is decided. Plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab import codec

DISCOVERY_PORT = 9900
"""UDP, where consoles look for each other (M-01)."""
INTER_CONSOLE_PORT = 9920
"""TCP, where consoles take requests (M-03)."""
PORTS = ("udp", DISCOVERY_PORT), ("tcp", INTER_CONSOLE_PORT)
"""What consoles need at each other's own firewalls (F-17)."""


def port_text(protocol: str, port: int) -> str:
    """``udp/9900``."""
    return f"{protocol}/{port}"


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
    serves: bool = field(default=False, metadata=codec.LEFT_OUT)
    """Whether it is a call-home server (M-05)."""
    level: str = field(default="", metadata=codec.LEFT_OUT)
    """Of its software (M-08)."""
    closed: tuple[str, ...] = field(default=(), metadata=codec.LEFT_OUT)
    """The ports of consoles that the customer has taken out of its own firewall (M-04): ``udp/9900``."""
    anonymous: bool = field(default=False, metadata=codec.LEFT_OUT)
    """Whether consoles have no certificates, as in 2007 (P-17)."""
    dies_busy: bool = field(default=False, metadata=codec.LEFT_OUT)
    """Whether it dies once IBM has another console's request, before it can say so."""
    answers_after_s: float = field(default=0.0, metadata=codec.LEFT_OUT)
    """How long after it has sent another console's request it says so."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """In the order of its cards."""
        return tuple(card.address for card in self.cards)


def named(consoles: Iterable[Console], name: str) -> Console:
    """The console on a node; the topology has one there."""
    return next(console for console in consoles if console.node == name)


def help_out(consoles: Iterable[Console]) -> bool:
    """Whether some of them call home for others, so that they speak with each other."""
    return any(console.serves for console in consoles)
