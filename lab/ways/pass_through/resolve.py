"""From the way to a partition to its plan. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import AllowRule
from lab.topology.site import CUSTOMER_DOMAIN, Site
from lab.ways.pass_through.checks import shared_link
from lab.ways.pass_through.plan import Borrower, PassThroughPlan
from lab.ways.pass_through.spec import PassThroughSpec

HELLO_S = 60  # RFC 2661 6.5 default


def plan(site: Site, name: str, way: PassThroughSpec) -> PassThroughPlan:
    agents = site.spec.agents_of(name)
    borrowers = tuple(_borrower(site, agent, way.partition) for agent in agents)
    return PassThroughPlan(
        name=name,
        kind=way.kind,
        over="",
        agents=agents,
        endpoints=(),
        probe=borrowers[0].partition_address,
        partition=way.partition,
        hostname=f"{way.partition}.{CUSTOMER_DOMAIN}",
        borrowers=borrowers,
        hello_s=HELLO_S,
    )


def rules(site: Site, way: PassThroughSpec, agent: str) -> Iterator[AllowRule]:
    """Nothing: the two are on one wire, and the firewall is not between them (F-09)."""
    yield from ()


def _borrower(site: Site, client: str, partition: str) -> Borrower:
    link = shared_link(site.spec, client, partition)
    return Borrower(
        client=client,
        hostname=f"{client}.{CUSTOMER_DOMAIN}",
        address=site.ip(link, client),
        partition_address=site.ip(link, partition),
        segment=link,
    )
