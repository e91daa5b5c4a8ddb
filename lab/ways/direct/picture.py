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
    """The network and the firewall's rules say all about this way."""
    yield from ()
