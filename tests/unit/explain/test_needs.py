"""What a firewall must allow, as data: agrees with the tables, and with what the lab's own firewall opens."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from lab.explain import needs
from lab.explain.needs import FirewallNeed, Heading, Must, Scope, Sender, Where
from lab.topology import catalogue, load
from lab.topology.capability import WayOut
from lab.topology.catalogue import Region, RowKind, Variant
from lab.topology.family import Family
from lab.topology.model import AllowRule, Topology, Way
from lab.topology.servers import FTPS_PORT, PASSIVE_PORTS
from lab.topology.user_targets import REQUIREMENT as ENTERED
from lab.ways import stage
from lab.ways.direct.resolve import PROBE_RULE
from tests.models import model

UPLOADS = "OUT-43"
WAY_OUT = {"direct": WayOut.direct, "vpn": WayOut.vpn, "dial": WayOut.modem, "proxy": WayOut.proxy}
LISTING = [name for name in catalogue.names() if catalogue.profile(name).servers()]


def found(profile: str, *ways: str, **asked: Any) -> tuple[FirewallNeed, ...]:
    of = catalogue.profile(profile)
    return needs.needs(Scope(profile=of, ways=ways or needs.ways_of(of), **asked))


FAMILIES = {4: Family.ipv4, 6: Family.ipv6}


def opened(every: tuple[FirewallNeed, ...]) -> set[tuple[str, str, int]]:
    return {(need.destination, need.protocol, need.port) for need in every}


def rules_of(topology: Topology) -> list[AllowRule]:
    """Those towards the Internet."""
    rules = topology.firewall.rules if topology.firewall is not None else ()
    return [rule for rule in rules if rule.requirement != PROBE_RULE and not rule.towards]


def way_out(topology: Topology, way: Way) -> str:
    """Which of the papers' ways it is, to a firewall: a way that runs over another may be one of its own, and
    is a modem's if the telephone carries it (F-18).
    """
    if topology.is_in_calls(way):
        return str(WayOut.modem)
    below = topology.way(way.over).kind if way.over else ""
    return str(stage(way.kind, "spec").Spec.over_kinds.get(below, WAY_OUT[way.kind]))


@pytest.mark.parametrize("name", load.names())
def test_the_labs_own_firewall_opens_what_its_ways_need(name: str) -> None:
    """Neither more nor less; the lab's agent has no use for other services of a direct path.

    To an address that is the lab's own choice, or that a user has entered, nobody is told to open anything.
    """
    topology = model(name, b"tests")
    profile = catalogue.profile(topology.profile)
    assert topology.firewall is not None
    called = Variant(next((e.variant for e in topology.errands if e.variant), "ssl"))
    ports = {*profile.direct_ports, *(end.port for e in topology.errands for end in e.endpoints)}
    scope = Scope(
        profile=profile,
        ways=tuple(way_out(topology, way) for way in topology.ways if way.kind in WAY_OUT),
        region=Region(topology.region),
        variant=called if called in needs.variants(profile) else Variant.none,
        nat=topology.firewall.snat,
        ranges="/" in "".join(rule.destination for rule in rules_of(topology)),
    )
    errands = {(end.address, end.port) for e in topology.errands for end in e.endpoints}
    families = {family for way in topology.ways for family in way.ip_families}
    chosen = {address.address for row in profile.choices for address in row.addresses}
    ranges = {address.address for address in profile.addresses(RowKind.range)}
    standing = {address for node in topology.nodes for address in node.service_addresses}
    needed = [
        need
        for need in needs.needs(scope)
        if FAMILIES.get(need.version) in families
        if need.heading is Heading.both or need.port in ports
        if need.destination in standing | ranges
        if need.must is not Must.optional or (need.destination, need.port) in errands
    ]
    wanted: dict[tuple[str, str, int, bool], set[str]] = {}
    for need in needed:  # By several ways one address is needed for several reasons.
        key = (need.destination, need.protocol, need.port, need.heading is Heading.both)
        wanted.setdefault(key, set()).update(need.requirements)
    relay = topology.service.relay_address if topology.service is not None else ""
    rules = [
        replace(rule, destination=address)
        for rule in rules_of(topology)
        if rule.destination not in {relay, *chosen} and rule.requirement not in (UPLOADS, ENTERED)
        for address in _led_to(topology, rule)
    ]

    assert {(r.destination, r.protocol, r.port, r.both_ways) for r in rules} == {*wanted}
    for rule in rules:
        key = (rule.destination, rule.protocol, rule.port, rule.both_ways)
        assert rule.requirement in wanted[key]


def _led_to(topology: Topology, rule: AllowRule) -> tuple[str, ...]:
    """The addresses that a rule opens when the lab comes up."""
    if not rule.is_by_name:
        return (rule.destination,)
    assert topology.dns is not None
    return topology.dns.addresses_of(rule.destination)


def test_the_labs_own_firewall_opens_ftps_as_it_is_explained() -> None:
    """OUT-43: the port that is listed, and the ports of data, which are the lab's choice."""
    topology = model("upload", b"tests")
    own = [rule for rule in rules_of(topology) if rule.requirement == UPLOADS]
    scope = Scope(profile=catalogue.profile(topology.profile), ways=(WayOut.direct,))
    listed = {n.destination for n in needs.needs(scope) if n.port == FTPS_PORT}

    assert {rule.destination for rule in own} == listed
    assert [(rule.port, rule.port_to) for rule in own] == [
        (FTPS_PORT, 0),
        (PASSIVE_PORTS.start, PASSIVE_PORTS.stop - 1),
    ]
    assert own[1].admits(PASSIVE_PORTS.start)
    assert own[1].admits(PASSIVE_PORTS.stop - 1)
    assert not own[1].admits(PASSIVE_PORTS.start - 1)
    assert not own[1].admits(PASSIVE_PORTS.stop)
    assert not own[0].admits(FTPS_PORT + 1)
    (note,) = (note for note in needs.notes(scope) if "FTP" in note)
    assert f"{PASSIVE_PORTS.start} to {PASSIVE_PORTS.stop - 1} (lab choice)" in note


@pytest.mark.parametrize("name", ["service-internet", "service-aos"])
def test_the_labs_own_firewall_opens_a_relay_as_remote_service_needs_it(name: str) -> None:
    topology = model(name, b"tests")
    assert topology.service is not None
    own = [r for r in rules_of(topology) if r.destination == topology.service.relay_address]
    wanted = found(topology.profile, needs.REMOTE_SERVICE)

    assert own
    assert {(r.protocol, r.port) for r in own} <= {(n.protocol, n.port) for n in wanted}
    assert all(rule.requirement in wanted[0].requirements for rule in own)
    assert {need.destination for need in wanted} == {""}, "no paper lists it"


@pytest.mark.parametrize("profile", LISTING)
def test_every_listed_service_is_needed_and_nothing_else(profile: str) -> None:
    tables = catalogue.profile(profile)
    listed = {
        (a.address, s.protocol, s.port)
        for a in tables.servers()
        for s in (*a.row.services, *a.row.optional)
    }

    assert opened(found(profile, WayOut.direct)) == listed


@pytest.mark.parametrize("profile", catalogue.names())
@pytest.mark.parametrize("nat", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_everything_is_there_once(profile: str, nat: bool, ranges: bool) -> None:
    every = found(profile, nat=nat, ranges=ranges)
    keys = Counter((n.way, n.sender, n.where, n.destination, n.protocol, n.port) for n in every)

    assert {*keys.values()} <= {1}
    assert all(need.requirements and need.purpose and need.host for need in every)
    assert all(need.must is Must.redundant for need in every if need.redundancy)


def test_a_region_needs_its_own_addresses() -> None:  # F-15
    americas = opened(found("hmc-2007", WayOut.direct, region=Region.americas))
    others = opened(found("hmc-2007", WayOut.direct, region=Region.non_americas))

    assert {a for a, _, _ in americas - others} == {"129.42.160.49", "207.25.252.204"}
    assert len(americas) == len(others) == 4


def test_variants_have_other_addresses() -> None:  # OUT-39, F-16
    ssl, ursf = (
        found("hmc-2017-traditional", WayOut.direct, variant=v) for v in (Variant.ssl, Variant.ursf)
    )

    assert not {n.destination for n in ssl} & {n.destination for n in ursf}
    assert {n.port for n in ursf} == {80, 443, 11111, 19285}
    assert all("F-16" in need.requirements for need in ursf)


@pytest.mark.parametrize(
    ("nat", "requirement", "services"),
    [
        (False, "F-06", {("udp", 500), ("esp", 0)}),
        (True, "F-07", {("udp", 500), ("udp", 4500)}),
    ],
)
def test_a_vpn_needs_other_protocols_behind_nat(
    nat: bool, requirement: str, services: set[tuple[str, int]]
) -> None:
    every = found("hmc-2007", WayOut.vpn, nat=nat)

    assert {(n.protocol, n.port) for n in every} == services
    assert {n.destination for n in every} == {"129.42.160.16", "207.25.252.196"}
    assert {n.heading for n in every} == {Heading.both}
    assert all({requirement, "F-08"} <= {*n.requirements} for n in every)
    assert {n.must for n in every} == {Must.redundant}  # F-08: each alone is enough


def test_by_pass_through_the_partition_makes_the_vpn() -> None:  # F-09, OUT-27 to OUT-29
    inside: list[FirewallNeed] = []
    outside: list[FirewallNeed] = []
    for need in found("hmc-2007", WayOut.pass_through_vpn):
        (inside if need.where is Where.inside else outside).append(need)

    assert [(n.sender, n.protocol, n.port, n.heading) for n in inside] == [
        (Sender.agent, "udp", 1701, Heading.both)
    ]
    assert "F-09" in inside[0].requirements
    own = opened(found("hmc-2007", WayOut.vpn))
    assert opened(tuple(outside)) == own
    assert {n.sender for n in outside} == {Sender.lpar}
    assert all("OUT-29" in n.requirements for n in outside)


def test_a_call_needs_no_rule() -> None:  # F-18
    assert found("hmc-2007", WayOut.modem) == ()
    by_call = found("hmc-2007", WayOut.pass_through_modem)
    assert {need.where for need in by_call} == {Where.inside}
    of = catalogue.profile("hmc-2007")
    told = [*needs.notes(Scope(profile=of, ways=(WayOut.modem,)))]
    assert told == ["modem: no rule; a modem does not pass the firewall (F-18)"]


def test_what_a_paper_wants_to_the_letter_is_noted() -> None:  # F-16
    def told(profile: str) -> str:
        return " ".join(needs.notes(Scope(profile=catalogue.profile(profile), ways=(WayOut.vpn,))))

    assert "F-16" in told("hmc-2017-traditional")
    assert "F-16" not in told("hmc-2007")


def test_remote_service_by_vpn_needs_no_rule_of_its_own() -> None:  # I-15
    assert found("hmc-2007", needs.REMOTE_SERVICE) == ()
    of = catalogue.profile("hmc-2007")
    told = " ".join(needs.notes(Scope(profile=of, ways=(needs.REMOTE_SERVICE,))))
    assert "no rule beyond those of the way vpn" in told


@pytest.mark.parametrize("profile", LISTING)
def test_behind_a_proxy_the_agent_needs_no_way_out(profile: str) -> None:  # F-10, OUT-12
    every = found(profile, WayOut.proxy)

    assert {need.sender for need in every} == {Sender.proxy}
    assert {(need.protocol, need.port) for need in every} == {("tcp", 443)}
    direct = {d for d, _, port in opened(found(profile, WayOut.direct)) if port == 443}
    assert {need.destination for need in every} == direct


@pytest.mark.parametrize(
    ("profile", "requirement", "addresses"),
    [
        ("hmc-2017-traditional", "F-13", {"207.25.252.197", "129.42.160.51"}),
        ("hmc-2017-traditional", "F-14", {"204.146.30.17"}),  # the other is for uploads, too
        ("hmc-2007", "F-08", {"129.42.160.16", "207.25.252.196"}),
    ],
)
def test_what_is_for_redundancy_says_so(
    profile: str, requirement: str, addresses: set[str]
) -> None:
    every = found(profile)

    redundant = {
        n.destination for n in every if n.redundancy == requirement and n.must is Must.redundant
    }
    assert redundant == addresses


def test_an_optional_port_says_so() -> None:  # F-14
    optional = [n for n in found("hmc-2017-traditional") if n.must is Must.optional]

    assert opened(tuple(optional)) == {("204.146.30.17", "tcp", 80)}


def test_ranges_take_the_place_of_what_they_hold() -> None:  # F-11
    every = found("hmc-2017-simplified", WayOut.direct, ranges=True)

    assert {n.destination for n in every} == {"129.42.0.0/18", "2620:0:6c0::/45"}
    assert {n.must for n in every} == {Must.recommended}
    assert {n.port for n in every} == {80, 443}


def test_consoles_and_an_agents_own_ports() -> None:  # F-17, A-45
    consoles = found("hmc-2007", needs.CONSOLES)
    assert {(n.protocol, n.port) for n in consoles} == {("udp", 9900), ("tcp", 9920)}
    assert {n.where for n in consoles} == {Where.own}
    local = found("esa-linux-7.1.5", needs.LOCAL)
    assert {(n.port, n.heading) for n in local} == {
        (5989, Heading.out),
        (5988, Heading.out),
        (5024, Heading.into),
    }
    assert needs.CONSOLES not in needs.ways_of(catalogue.profile("esa-linux-7.1.5"))


@pytest.mark.parametrize("profile", catalogue.names())
def test_nothing_disabled_is_needed(profile: str) -> None:
    dead = {a.address for a in catalogue.profile(profile).addresses(RowKind.disabled)}

    assert not dead & {need.destination for need in found(profile)}
    assert all(ipaddress.ip_network(n.destination) for n in found(profile) if n.destination)


def test_of_two_purposes_the_stricter_holds() -> None:
    one = found("hmc-2017-traditional", WayOut.direct)[0]
    assert one.must is Must.redundant
    both = needs._both(replace(one, must=Must.optional, rows=("A-99",)), one)

    assert both.must is Must.redundant
    assert both.rows == ("A-99", "A-14")
