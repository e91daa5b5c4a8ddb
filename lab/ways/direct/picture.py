"""How a way home over the Internet is drawn."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Role, Topology
from lab.topology.routing import Hop, Network
from lab.ways.direct.plan import DirectPlan


def hops(
    topology: Topology, network: Network, way: DirectPlan, agent: str
) -> Iterator[tuple[Hop, ...]]:
    """An agent's hops to the servers."""
    yield network.ways(agent)[network.with_role(Role.sdc)[0]]


def blocks(topology: Topology, way: DirectPlan) -> Iterator[list[str]]:
    """The errands that agents do by this way; without any, the network and the firewall's rules say all."""
    if topology.errands_of(way.name):
        yield [f"What agents do by {way.name}", *_errands(topology, way)]


def _errands(topology: Topology, way: DirectPlan) -> Iterator[str]:
    """Each errand, where it is done, and by whom behind that."""
    owners = {kind: one.node for one in topology.back_ends for kind in one.serves}
    for errand in topology.errands_of(way.name):
        row, *others = dict.fromkeys(end.row for end in errand.endpoints)
        rows = f"{row} and {len(others)} more" if others else row
        places = len({(end.address, end.port) for end in errand.endpoints})
        first = errand.endpoints[0]
        several = f", the first of {places} places" if places > 1 else ""
        by = f", by {owners[errand.kind]}" if errand.kind in owners else ""
        yield f"  {errand.kind:<14}  {first.name}:{first.port}{several}{by} ({rows})"
