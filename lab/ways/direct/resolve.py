"""From a way home over the Internet to its plan and to what the firewall opens for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab.topology.catalogue import IN_CLEAR, Region, RowKind, Variant
from lab.topology.family import Family, family_of
from lab.topology.model import AllowRule, Endpoint
from lab.topology.servers import FTPS_PORT, PASSIVE_PORTS
from lab.topology.site import Site
from lab.ways.direct.plan import DirectPlan, StandIns
from lab.ways.direct.spec import DirectSpec

PROBE_RULE = "LAB_PROBE"
"""What asks for the rules of the lab's own: ping to the first address of each version of IP."""
LISTED = "F-04"
"""What asks for a listed port beside those of a direct path, if its row names nothing else."""
UPLOAD = "OUT-43"
"""What asks for FTP over TLS (A-30)."""


def plan(site: Site, name: str, way: DirectSpec) -> DirectPlan:
    endpoints = site.endpoints(Variant(way.address_set), families=way.ip_families)
    tested = _listed(site, way, site.spec.region, way.ip_families)
    known = {endpoint.address for endpoint in tested}
    return DirectPlan(
        name=name,
        kind=way.kind,
        over="",
        agents=site.spec.agents_of(name),
        endpoints=endpoints,
        probe=endpoints[0].address,
        families=way.ip_families,
        tests=way.test,
        tested=tested,
        elsewhere=tuple(
            each
            for each in _listed(site, way, Region.all, way.ip_families)
            if each.address not in known
        ),
        stand_ins=tuple(_stand_ins(site, endpoints)),
        ranges=tuple(net for family in way.ip_families for net in site.ranges(family)),
    )


def _listed(
    site: Site, way: DirectSpec, region: Region, families: Iterable[Family]
) -> tuple[Endpoint, ...]:
    """Every listed address and port that a direct way asks for, in the order of ports and tables."""
    found: dict[tuple[str, int], Endpoint] = {}
    for family in families:
        for port in site.profile.direct_ports:
            for a in site.profile.callable(region, Variant(way.address_set)):
                if a.family is family and a.offers("tcp", port):
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
    """F-03 (ESA: F-01, F-02): only to what is listed (F-04), and for the region (F-15); and for errands
    what they ask for beside that."""
    for family in way.ip_families:
        yield from _rules(site, way, agent, family)


def _rules(site: Site, way: DirectSpec, agent: str, family: Family) -> Iterator[AllowRule]:
    own = site.uplink_ip(agent, family)
    wanted = _listed(site, way, site.spec.region, (family,))
    for destination, port in site.openings(wanted):
        yield AllowRule(
            requirement=site.profile.direct_requirement,
            source=own,
            destination=destination,
            protocol="tcp",
            port=port,
            both_ways=False,
        )
    for (destination, port), requirement in _asked_by_errands(site, way, wanted, family).items():
        yield AllowRule(
            requirement=requirement,
            source=own,
            destination=destination,
            protocol="tcp",
            port=port,
            both_ways=False,
        )
    for address, port, port_to in _upload_ports(site, way, family):
        yield AllowRule(
            requirement=UPLOAD,
            source=own,
            destination=address,
            protocol="tcp",
            port=port,
            port_to=port_to,
            both_ways=False,
        )
    yield AllowRule(
        requirement=PROBE_RULE,
        source=own,
        destination=site.endpoints(Variant(way.address_set), families=(family,))[0].address,
        protocol="icmp-echo",
        port=0,
        both_ways=False,
    )


def _asked_by_errands(
    site: Site, way: DirectSpec, wanted: Iterable[Endpoint], family: Family
) -> dict[tuple[str, int], str]:
    """What errands want opened beside that, and the requirement that asks for it; uploads have their own."""
    known = {(end.address, end.port) for end in wanted}
    asked_by = {row.id: row.asked_by for row in site.profile.rows}
    return {
        opening: next(iter(asked_by[end.row]), IN_CLEAR.get(errand.kind, LISTED))
        for errand in site.errands(way)
        for end in errand.endpoints
        if (end.address, end.port) not in known and end.port != FTPS_PORT
        if family_of(end.address) is family
        for opening in site.openings([end])
    }


def _upload_ports(site: Site, way: DirectSpec, family: Family) -> Iterator[tuple[str, int, int]]:
    """FTP over TLS (A-30): its own port, and the ports of data, which the lab's servers choose (RFC 4217).

    They are opened where the topology wants uploads, and for nobody else: half a thousand ports of data are
    what a customer's firewall opens for one who uses them.
    """
    if UPLOAD not in site.spec.expect:
        return
    for a in site.profile.callable(site.spec.region, Variant(way.address_set)):
        if a.family is family and a.offers("tcp", FTPS_PORT):
            yield a.address, FTPS_PORT, 0
            yield a.address, PASSIVE_PORTS[0], PASSIVE_PORTS[-1]
