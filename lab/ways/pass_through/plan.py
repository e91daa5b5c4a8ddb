"""The model of the way to a partition: who borrows from it, and between which addresses. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

from lab.topology.model import Topology, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrower:
    """An HMC that borrows a partition's VPN or modem."""

    client: str
    hostname: str
    """In the L2TP host name AVP (RFC 2661 4.4.3)."""
    address: str
    partition_address: str
    """Both on the wire that the two have in common; UDP 1701 at either end (OUT-28)."""
    segment: str
    """That wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassThroughPlan(Way):
    """The way to a partition of i5/OS (S4 2.1.4)."""

    partition: str
    hostname: str
    """The partition's own."""
    borrowers: tuple[Borrower, ...]
    hello_s: int
    """Silence after which a peer is asked for a sign of life (RFC 2661 6.5)."""

    def borrower(self, client: str) -> Borrower:
        return next(b for b in self.borrowers if b.client == client)


Plan = PassThroughPlan


def plans(topology: Topology) -> tuple[PassThroughPlan, ...]:
    return tuple(way for way in topology.ways if isinstance(way, PassThroughPlan))


def below(topology: Topology, way: Way) -> PassThroughPlan | None:
    """The way to a partition that another way runs over; None if it runs over none."""
    return next((each for each in plans(topology) if each.name == way.over), None)


def lent_to(topology: Topology, agent: str) -> PassThroughPlan | None:
    """The way to the partition that lends an agent its VPN; None if none does."""
    own = (way for way in topology.ways_of(agent) if way.kind == "vpn")
    return next((lower for way in own if (lower := below(topology, way)) is not None), None)
