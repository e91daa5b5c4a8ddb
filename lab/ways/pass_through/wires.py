"""What the way to a partition of i5/OS puts on the wires: nothing that leaves the customer's."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Topology
from lab.verify.case import Case
from lab.ways.pass_through.plan import PassThroughPlan
from lab.wire.decode import Frame, Packet


def title(topology: Topology) -> str:
    """What leaves for the Internet, in words: nothing of the way's own."""
    return ""


def destinations(topology: Topology, way: PassThroughPlan) -> set[str]:
    """Addresses beside the listed servers to which packets may leave."""
    return set()


def callers(case: Case) -> set[str]:
    """The addresses that IBM's servers see: those of the way that runs over it."""
    return set()


def connections(case: Case, agent: str) -> list[Frame]:
    """The SYNs by which an agent opened connections: they are the upper way's."""
    return []


def allows(case: Case, frame: Frame, packet: Packet) -> bool:
    """Whether a packet between the customer and the Internet is one of this way's."""
    return False


def signs(case: Case) -> Iterator[tuple[str, list[Frame]]]:
    """What shows that this kind of way is in use: the upper way shows it."""
    yield from ()


def uses(case: Case, agent: str) -> list[float]:
    """When an agent used the way by itself: never."""
    return []
