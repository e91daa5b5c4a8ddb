"""From a way home over the Internet to its plan and to what the firewall opens for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.catalogue import Region, RowKind, Variant
from lab.topology.model import AllowRule, Endpoint
from lab.topology.site import Site
from lab.ways.direct.plan import DirectPlan, StandIns
from lab.ways.direct.spec import DirectSpec

PROBE_RULE = "LAB_PROBE"
"""What asks for the one rule of the lab's own: ping to the address that proves a direct path."""


def plan(site: Site, name: str, way: DirectSpec) -> DirectPlan:
    endpoints = site.endpoints(Variant.ssl)
    tested = _listed(site, site.spec.region)
    known = {endpoint.address for endpoint in tested}
    return DirectPlan(
        name=name,
        kind=way.kind,
        over="",
        agents=site.spec.agents_of(name),
        endpoints=endpoints,
        probe=endpoints[0].address,
        tests=way.test,
        tested=tested,
        elsewhere=tuple(e for e in _listed(site, Region.all) if e.address not in known),
        stand_ins=tuple(_stand_ins(site, endpoints)),
        ranges=site.ranges(4),
    )


def _listed(site: Site, region: Region) -> tuple[Endpoint, ...]:
    """Every listed address and port that a direct way asks for, in the order of ports and tables."""
    found: dict[tuple[str, int], Endpoint] = {}
    for port in site.profile.direct_ports:
        for a in site.profile.servers(region, Variant.ssl):
            if a.version == 4 and a.offers("tcp", port):
                one = Endpoint(name=a.host, address=a.address, port=port, row=a.row.id)
                found.setdefault((a.address, port), one)
    return tuple(found.values())


def _stand_ins(site: Site, endpoints: tuple[Endpoint, ...]) -> Iterator[StandIns]:
    """The groups of servers of which the papers say that one is enough (F-12 to F-14)."""
    rows = [row for row in site.profile.rows if row.redundancy and row.kind is RowKind.server]
    for requirement in dict.fromkeys(row.redundancy for row in rows):
        own = [row for row in rows if row.redundancy == requirement]
        addresses = {a.address for row in own for a in row.addresses}
        theirs = tuple(endpoint for endpoint in endpoints if endpoint.address in addresses)
        if len(theirs) > 1:
            yield StandIns(requirement=requirement, purpose=own[0].purpose, endpoints=theirs)


def rules(site: Site, way: DirectSpec, agent: str) -> Iterator[AllowRule]:
    """F-03 (ESA: F-01, F-02): only to what is listed (F-04), and for the region (F-15)."""
    wanted = _listed(site, site.spec.region)
    for destination, port in site.openings((e.address, e.port) for e in wanted):
        yield AllowRule(
            requirement=site.profile.direct_requirement,
            source=site.uplink_ip(agent),
            destination=destination,
            protocol="tcp",
            port=port,
            both_ways=False,
        )
    yield AllowRule(
        requirement=PROBE_RULE,
        source=site.uplink_ip(agent),
        destination=site.endpoints(Variant.ssl)[0].address,
        protocol="icmp-echo",
        port=0,
        both_ways=False,
    )
