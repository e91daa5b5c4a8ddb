"""What makes no sense about a way home over the Internet."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology import check
from lab.topology.check import Complaint
from lab.topology.routing import Network
from lab.topology.spec import TopologySpec
from lab.ways.direct.spec import DirectSpec


def complaints(spec: TopologySpec, name: str, way: DirectSpec) -> Iterator[Complaint]:
    """Nothing: the way has no keys of its own."""
    yield from ()


def routes(spec: TopologySpec, net: Network, name: str, way: DirectSpec) -> Iterator[Complaint]:
    """Whether the way can exist at all, in a spec that has no other complaint."""
    yield from check.wired(spec, net, name)
    yield from check.reaches_servers(spec, net, name)


def machine() -> None:
    """Every machine that can run a lab can run this way."""
