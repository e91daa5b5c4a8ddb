"""Whether pools have an address for each PPP session that there can be at their VPN gateway. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from lab.topology.check import Complaint
from lab.topology.roles import TRAITS
from lab.topology.spec import TopologySpec


def callers(spec: TopologySpec, gateway: str) -> int:
    """How many PPP sessions there can be at once at a VPN gateway."""
    calls_home = sum(
        way.sessions_at(gateway) * len(spec.agents_of(name)) for name, way in spec.ways.items()
    )
    return calls_home + _of_remote_service(spec, gateway)


def _of_remote_service(spec: TopologySpec, gateway: str) -> int:
    """One for the console and one for each partition that a session by VPN may reach (I-16)."""
    reached = {
        agent
        for name, way in spec.ways.items()
        if way.sessions_at(gateway)
        for agent in spec.agents_of(name)
    }
    return sum(
        1 + len(service.access) for console, service in spec.service.items() if console in reached
    )


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """Pools with fewer addresses than there can be sessions."""
    for name, node in spec.nodes.items():
        if node.pool is None or TRAITS[node.role].answers_calls:
            continue  # A LIG may have fewer addresses than modems: P-12 is about that.
        room = ipaddress.ip_network(node.pool).num_addresses - 3  # network, broadcast, the gateway
        if room < callers(spec, name):
            problem = f"{node.pool} has {room} addresses for {callers(spec, name)} PPP sessions"
            needs = (("agents",), ("ways",))
            yield Complaint(("nodes", name, "pool"), problem, "take a shorter prefix", needs)
