"""The model of the way home over the Internet."""

from __future__ import annotations

from dataclasses import dataclass

from lab.topology.family import V4_ONLY, Family
from lab.topology.model import Endpoint, Topology, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """Listed servers that stand in for each other: one is enough, and with one alone redundancy is lost."""

    requirement: str
    """Which says so: F-12, F-13, F-14."""
    purpose: str
    """As the address table words it."""
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectPlan(Way):
    """A way home by the agent's own default route."""

    families: tuple[Family, ...] = V4_ONLY

    @property
    def ip_families(self) -> tuple[Family, ...]:
        """As the file says."""
        return self.families

    tests: bool = False
    """Whether an agent that has called home tests its connection to each of ``tested`` and ``elsewhere``."""
    tested: tuple[Endpoint, ...] = ()
    """Every address and port that the papers have the firewall open for the way."""
    elsewhere: tuple[Endpoint, ...] = ()
    """Servers that are listed for customers of another region only (F-15)."""
    stand_ins: tuple[StandIns, ...] = ()
    ranges: tuple[str, ...] = ()
    """The prefixes that the paper recommends to open in the place of single addresses (F-11)."""


Plan = DirectPlan


def first_servers(topology: Topology, way: Way) -> tuple[Endpoint, ...]:
    """Whom an agent asks first by a way: the servers of its first errand, or the way's own."""
    errands = topology.errands_of(way.name)
    return errands[0].endpoints if errands else way.endpoints


def plans(topology: Topology) -> tuple[DirectPlan, ...]:
    """The ways home over the Internet."""
    return tuple(way for way in topology.ways if isinstance(way, DirectPlan))
