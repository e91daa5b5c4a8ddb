"""What a way home by other consoles puts on the wires: nothing beyond the customer's own."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Topology
from lab.verify.case import Case
from lab.ways.consoles.plan import PORT, ConsolesPlan
from lab.wire.decode import Frame, Packet


def title(topology: Topology) -> str:
    """What leaves for the Internet, in words: nothing of its own."""
    return ""


def destinations(topology: Topology, way: ConsolesPlan) -> set[str]:
    """Addresses beside the listed servers to which packets may leave."""
    return set()


def callers(case: Case) -> set[str]:
    """The addresses that IBM's servers see: those of the call-home servers' own ways."""
    return set()


def connections(case: Case, agent: str) -> list[Frame]:
    """The SYNs by which an agent's host opened connections to other consoles."""
    servers = {a for c in case.topology.consoles if c.serves for a in c.addresses}
    found: list[Frame] = []
    for console in case.topology.consoles:
        if console.node == agent:
            for card in console.cards:
                found += [
                    frame
                    for frame, packet in case.packets(card.segment)
                    if packet.is_bare_syn
                    and packet.source == card.address
                    and packet.destination in servers
                    and packet.destination_port == PORT
                ]
    return sorted(found, key=lambda frame: frame.time)


def allows(case: Case, frame: Frame, packet: Packet) -> bool:
    """Nothing leaves for the Internet by it."""
    return False


def signs(case: Case) -> Iterator[tuple[str, list[Frame]]]:
    """What shows that this kind of way is in use: nothing that other ways do not show, too."""
    yield from ()


def uses(case: Case, agent: str) -> list[float]:
    """When an agent's host opened connections to other consoles."""
    return [frame.time for frame in connections(case, agent)]
