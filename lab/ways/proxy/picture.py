"""How a way home through proxies is drawn."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Role, Topology
from lab.topology.routing import Hop, Network
from lab.ways.proxy.plan import ProxyPlan


def hops(
    topology: Topology, network: Network, way: ProxyPlan, agent: str
) -> Iterator[tuple[Hop, ...]]:
    """An agent's hops to the servers by each proxy, the one that is tried first before the others."""
    (sdc,) = network.with_role(Role.sdc)
    for stop in way.stops(topology):
        yield network.ways(agent)[stop.node] + network.ways(stop.node)[sdc]


def blocks(topology: Topology, way: ProxyPlan) -> Iterator[list[str]]:
    """The proxies, and whom they let where."""
    yield list(_block(topology, way))


def _block(topology: Topology, way: ProxyPlan) -> Iterator[str]:
    yield "The proxies"
    standing = {proxy.node: proxy for proxy in topology.proxies}
    for number, node in enumerate(way.proxies, 1):
        proxy = standing.get(node)
        if proxy is None:
            yield f"  {number}  an empty slot"
            continue
        login = "basic log-in" if proxy.account else "no log-in"
        where = "listed servers" if proxy.destinations else "any server"
        yield f"  {number}  {proxy.node}, {proxy.address}:{proxy.port}: {login}, {where}, port 443"
