"""From a way home through proxies to its plan and to what the firewall opens for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.catalogue import Variant
from lab.topology.model import AllowRule
from lab.topology.site import Site
from lab.ways.proxy.plan import ProxyPlan
from lab.ways.proxy.spec import ProxySpec


def plan(site: Site, name: str, way: ProxySpec) -> ProxyPlan:
    first = way.configured[0]
    return ProxyPlan(
        name=name,
        kind=way.kind,
        over="",
        agents=site.spec.agents_of(name),
        endpoints=site.endpoints(Variant.ssl),
        # Nothing beyond a proxy answers ping: the proxy is as far as an agent's own packets come.
        probe=site.uplink_ip(first),
        proxies=tuple(each or "" for each in way.proxies),
    )


def rules(site: Site, way: ProxySpec, agent: str) -> Iterator[AllowRule]:
    """F-10: to the listed servers by TCP 443, from the proxies; nothing for the agent itself."""
    for proxy in way.configured:
        for destination, port in site.openings(site.endpoints(Variant.ssl)):
            yield AllowRule(
                requirement="F-10",
                source=site.uplink_ip(proxy),
                destination=destination,
                protocol="tcp",
                port=port,
                both_ways=False,
            )
