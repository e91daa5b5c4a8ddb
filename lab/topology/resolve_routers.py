"""The routers between the customer's firewall and the Internet, and what NAT hides from whom. Pure."""

from __future__ import annotations

from itertools import pairwise

from lab.topology.model import EdgeRouter
from lab.topology.roles import Role
from lab.topology.routing import Hop, Network
from lab.topology.spec import TopologySpec


def hops(net: Network, firewall: str) -> tuple[Hop, ...]:
    """From the customer's firewall to the Internet; none if no way leads there."""
    ways = net.ways(firewall)
    return next((ways[name] for name in net.internet if name in ways), ())


def routers(spec: TopologySpec, net: Network) -> tuple[EdgeRouter, ...]:
    """The nearest to the firewall first."""
    if spec.firewall is None:
        return ()
    return tuple(
        EdgeRouter(
            node=hop.neighbour,
            inside=hop.link,
            outside=onward.link,
            snat=bool(spec.nodes[hop.neighbour].snat),
        )
        for hop, onward in pairwise(hops(net, spec.firewall))
    )


def hidden_from(spec: TopologySpec, net: Network, node: str) -> frozenset[str]:
    """The subnets of IPv4 that NAT hides from the Internet, or from a router."""
    if spec.nodes[node].role not in (Role.internet, Role.router):
        return frozenset()
    found = set[str]()
    for name in (name for name, its in spec.nodes.items() if its.snat):
        behind = net.links_behind(name)
        if not behind & {*net.links_of(node)}:
            found |= {spec.links[link].subnet for link in behind}
    return frozenset(found)
