"""From a way home over the Internet to its plan and to what the firewall opens for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab.topology.catalogue import Address, Variant
from lab.topology.family import Family
from lab.topology.model import AllowRule
from lab.topology.servers import FTPS_PORT, PASSIVE_PORTS
from lab.topology.site import Site
from lab.ways.direct.plan import DirectPlan
from lab.ways.direct.spec import DirectSpec

PROBE_RULE = "LAB_PROBE"
"""What asks for the rules of the lab's own: ping to the first address of each version of IP."""


def plan(site: Site, name: str, way: DirectSpec) -> DirectPlan:
    endpoints = site.endpoints(Variant.ssl, families=way.families)
    return DirectPlan(
        name=name,
        kind=way.kind,
        over="",
        agents=site.spec.agents_of(name),
        endpoints=endpoints,
        probe=endpoints[0].address,
        families=way.families,
    )


def rules(site: Site, way: DirectSpec, agent: str) -> Iterator[AllowRule]:
    """F-03 (ESA: F-01, F-02): only to what is listed (F-04), and for the region (F-15)."""
    for family in way.families:
        yield from _rules(site, agent, family)


def _rules(site: Site, agent: str, family: Family) -> Iterator[AllowRule]:
    listed = site.profile.callable(site.spec.region, Variant.ssl)
    own = site.uplink_ip(agent, family)
    wanted = dict.fromkeys(
        (site.opened(a.host, a.address), port)
        for port in site.profile.direct_ports
        for a in listed
        if a.family is family and a.offers("tcp", port)
    )
    for address, port in wanted:
        yield AllowRule(
            requirement=site.profile.direct_requirement,
            source=own,
            destination=address,
            protocol="tcp",
            port=port,
            both_ways=False,
        )
    for address, port, port_to in _upload_ports(listed):
        yield AllowRule(
            requirement="OUT-43",
            source=site.uplink_ip(agent),
            destination=address,
            protocol="tcp",
            port=port,
            port_to=port_to,
            both_ways=False,
        )
    yield AllowRule(
        requirement=PROBE_RULE,
        source=own,
        destination=site.endpoints(Variant.ssl, families=(family,))[0].address,
        protocol="icmp-echo",
        port=0,
        both_ways=False,
    )


def _upload_ports(listed: Iterable[Address]) -> Iterator[tuple[str, int, int]]:
    """FTP over TLS (A-30): its own port, and the ports of data, which the lab's servers choose (RFC 4217)."""
    for a in listed:
        if a.version == 4 and a.offers("tcp", FTPS_PORT):
            yield a.address, FTPS_PORT, 0
            yield a.address, PASSIVE_PORTS[0], PASSIVE_PORTS[-1]
