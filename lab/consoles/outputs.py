"""What discovery wants done, and what it has found out: data that ``service`` carries out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A datagram to UDP port 9900."""

    data: bytes
    address: str
    """The subnet's broadcast address, or one host."""
    card: str
    """The network card by which it leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A console that was not known is known."""

    name: str
    address: str
    """At which it can be reached."""
    via: str
    """The managed system that told; empty: by its own broadcast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A console is known no longer."""

    name: str
    silent_s: float
    """For how long nobody has told of it; 0 if it has said goodbye."""


Output = Send | Found | Lost
