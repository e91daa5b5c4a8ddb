"""From a way home over the Internet to its plan and to what the firewall opens for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.catalogue import Variant
from lab.topology.model import AllowRule
from lab.topology.site import Site
from lab.ways.direct.plan import DirectPlan
from lab.ways.direct.spec import DirectSpec

PROBE_RULE = "LAB_PROBE"
"""What asks for the one rule of the lab's own: ping to the address that proves a direct path."""
LISTED = "F-04"
"""What asks for a listed port beside those of a direct path, if its row names nothing else."""


def plan(site: Site, name: str, way: DirectSpec) -> DirectPlan:
    endpoints = site.endpoints(Variant(way.address_set))
    return DirectPlan(
        name=name,
        kind=way.kind,
        over="",
        agents=site.spec.agents_of(name),
        endpoints=endpoints,
        probe=endpoints[0].address,
    )


def rules(site: Site, way: DirectSpec, agent: str) -> Iterator[AllowRule]:
    """F-03 (ESA: F-01, F-02): only to what is listed (F-04), and for the region (F-15); and for errands
    what they ask for beside that."""
    listed = site.profile.servers(site.spec.region, Variant(way.address_set))
    wanted = dict.fromkeys(
        (a.address, port)
        for port in site.profile.direct_ports
        for a in listed
        if a.version == 4 and a.offers("tcp", port)
    )
    for address, port in wanted:
        yield AllowRule(
            requirement=site.profile.direct_requirement,
            source=site.uplink_ip(agent),
            destination=address,
            protocol="tcp",
            port=port,
            both_ways=False,
        )
    asked_by = {row.id: row.asked_by for row in site.profile.rows}
    asked = {
        (end.address, end.port): next(iter(asked_by[end.row]), LISTED)
        for errand in site.errands(way)
        for end in errand.endpoints
        if (end.address, end.port) not in wanted
    }
    for (address, port), requirement in asked.items():
        yield AllowRule(
            requirement=requirement,
            source=site.uplink_ip(agent),
            destination=address,
            protocol="tcp",
            port=port,
            both_ways=False,
        )
    yield AllowRule(
        requirement=PROBE_RULE,
        source=site.uplink_ip(agent),
        destination=site.endpoints(Variant(way.address_set))[0].address,
        protocol="icmp-echo",
        port=0,
        both_ways=False,
    )
