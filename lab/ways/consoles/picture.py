"""How a way home by other consoles is drawn."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Topology
from lab.topology.routing import Hop, Network
from lab.ways.consoles.plan import PORT, ConsolesPlan


def hops(
    topology: Topology, network: Network, way: ConsolesPlan, agent: str
) -> Iterator[tuple[Hop, ...]]:
    """An agent's hops to each call-home server; from there on it is the server's own way."""
    for console in topology.consoles:
        if console.serves and console.node in network.ways(agent):
            yield network.ways(agent)[console.node]


def blocks(topology: Topology, way: ConsolesPlan) -> Iterator[list[str]]:
    """The call-home servers."""
    lines = [
        f"  {each.node}, {each.addresses[0]}:{PORT}{f', level {each.level}' if each.level else ''}"
        for each in topology.consoles
        if each.serves
    ]
    yield ["Call-home servers", *lines]
