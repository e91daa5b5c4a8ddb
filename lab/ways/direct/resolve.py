"""From a way home over the Internet to its plan and to what the firewall opens for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.catalogue import Variant
from lab.topology.family import Family
from lab.topology.model import AllowRule
from lab.topology.site import Site
from lab.ways.direct.plan import DirectPlan
from lab.ways.direct.spec import DirectSpec

PROBE_RULE = "LAB_PROBE"
"""What asks for the rules of the lab's own: ping to the first address of each version of IP."""


def plan(site: Site, name: str, way: DirectSpec) -> DirectPlan:
    endpoints = site.endpoints(Variant.ssl, families=way.ip_families)
    return DirectPlan(
        name=name,
        kind=way.kind,
        over="",
        agents=site.spec.agents_of(name),
        endpoints=endpoints,
        probe=endpoints[0].address,
        families=way.ip_families,
    )


def rules(site: Site, way: DirectSpec, agent: str) -> Iterator[AllowRule]:
    """F-03 (ESA: F-01, F-02): only to what is listed (F-04), and for the region (F-15)."""
    for family in way.ip_families:
        yield from _rules(site, agent, family)


def _rules(site: Site, agent: str, family: Family) -> Iterator[AllowRule]:
    listed = site.profile.callable(site.spec.region, Variant.ssl)
    own = site.uplink_ip(agent, family)
    wanted = dict.fromkeys(
        (a.address, port)
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
    yield AllowRule(
        requirement=PROBE_RULE,
        source=own,
        destination=site.endpoints(Variant.ssl, families=(family,))[0].address,
        protocol="icmp-echo",
        port=0,
        both_ways=False,
    )
