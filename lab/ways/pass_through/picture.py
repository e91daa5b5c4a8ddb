"""How the way to a partition of i5/OS is drawn."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Topology
from lab.topology.routing import Hop, Network
from lab.ways.pass_through.plan import PassThroughPlan


def hops(
    topology: Topology, network: Network, way: PassThroughPlan, agent: str
) -> Iterator[tuple[Hop, ...]]:
    """Nothing: the way that runs over it is drawn through the partition."""
    yield from ()


def blocks(topology: Topology, way: PassThroughPlan) -> Iterator[list[str]]:
    """Who borrows from the partition."""
    yield list(_block(way))


def _block(way: PassThroughPlan) -> Iterator[str]:
    yield "Pass-through"
    for each in way.borrowers:
        ends = f"{each.address} to {way.partition} ({each.partition_address})"
        yield f"  {each.client:<8}  L2TP in clear, UDP 1701, {ends}"
