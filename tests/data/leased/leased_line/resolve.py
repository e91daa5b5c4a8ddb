"""From the one to the other."""

from __future__ import annotations

from lab.topology.catalogue import Variant
from lab.ways.direct import resolve as direct
from leased_line.plan import Plan


def plan(site, name, way):
    endpoints = site.endpoints(Variant.ssl)
    return Plan(
        name=name,
        kind=way.kind,
        over="",
        agents=site.spec.agents_of(name),
        endpoints=endpoints,
        probe=endpoints[0].address,
        carrier=way.carrier,
    )


def rules(site, way, agent):
    return direct.rules(site, way, agent)
