"""What makes no sense about a way home through proxies."""

from __future__ import annotations

from collections.abc import Iterator

from lab.errors import Unsupported
from lab.machine import packages
from lab.topology import check
from lab.topology.capability import WayOut
from lab.topology.check import Complaint
from lab.topology.model import Role
from lab.topology.routing import Network
from lab.topology.spec import TopologySpec
from lab.topology.strict_yaml import Place
from lab.ways.proxy.spec import ProxySpec


def complaints(spec: TopologySpec, name: str, way: ProxySpec) -> Iterator[Complaint]:
    """What is wrong between places of a spec whose single values are all well-formed."""
    place: Place = ("ways", name, "proxies")
    if not way.configured:
        known = ", ".join(check.network(spec).with_role(Role.proxy)) or "proxy-1"
        yield Complaint(place, "every slot is empty", f"name a proxy: [{known}]")
    for number, proxy in enumerate(way.proxies):
        if proxy is None:
            continue
        yield from check.named(spec, (*place, number), proxy, Role.proxy, Role.service_proxy)
        yield from _service_proxy(spec, proxy)
        if proxy in way.proxies[:number]:
            yield Complaint((*place, number), f"{proxy} is there twice", "take one of the two out")


def _service_proxy(spec: TopologySpec, name: str) -> Iterator[Complaint]:
    """It comes with Electronic Service Agent only (OUT-16)."""
    node, profile = spec.nodes.get(name), spec.known_profile
    if node is None or node.role is not Role.service_proxy or profile is None:
        return
    try:
        profile.can.require(WayOut.service_proxy, profile.name)
    except Unsupported as why:
        yield Complaint(("nodes", name, "role"), why.message, why.hint, (("profile",),))


def routes(spec: TopologySpec, net: Network, name: str, way: ProxySpec) -> Iterator[Complaint]:
    """Whether the way can exist at all, in a spec that has no other complaint."""
    if spec.firewall is None:
        problem = "a way through proxies needs the customer's firewall, which lets out nobody else"
        yield Complaint(("ways", name), problem, "add firewall: { role: firewall, snat: true }")
        return
    closed = net.internet | {spec.firewall}
    for proxy in way.configured:
        yield from check.goes_out(spec, net, ("nodes", proxy), proxy)
        for agent in spec.agents_of(name):
            if proxy not in net.ways(agent, closed=closed):
                problem = f"{agent} does not reach {proxy} on the customer's own wires"
                yield Complaint(("ways", name), problem, f"put both on one link, say {agent}'s")
    yield from check.reaches_servers(spec, net, name)


def machine() -> None:
    """Raise PrerequisiteError where there is no squid."""
    packages.require("squid", "a way home through a proxy")
