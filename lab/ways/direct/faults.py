"""What can be wrong with a way home over the Internet: with servers, their addresses, and the firewall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.topology.errand_kinds import ErrandKind
from lab.topology.family import Family, family_of, host_prefix
from lab.topology.model import HTTP_PORT, HTTPS_PORT, DropRule, Role, Topology
from lab.topology.user_targets import REQUIREMENT as ENTERED
from lab.ways.direct import server_faults
from lab.ways.direct.plan import first_servers, plans
from lab.ways.fault import Fault, Need, drop


def _has_others(topology: Topology) -> bool:
    own = plans(topology)
    first = [first_servers(topology, way) for way in own]
    return bool(own) and all(len({e.address for e in servers}) > 1 for servers in first)


def _first_is_down(topology: Topology, name: str, *, passing: bool = False) -> Topology:
    (sdc,) = topology.with_role(Role.sdc)
    first = host_prefix(first_servers(topology, plans(topology)[0])[0].address)
    rule = DropRule(name=name, node=sdc.name, destination=first, own=True, passing=passing)
    return drop(topology, rule)


def _has_sites(topology: Topology) -> bool:
    """Whether another name stands behind the first: addresses of one name are in the resolver's order."""
    own = plans(topology)
    first = [first_servers(topology, way) for way in own]
    return bool(own) and all(len({e.name for e in servers}) > 1 for servers in first)


def _has_stand_ins(requirement: str) -> Callable[[Topology], bool]:
    def has(topology: Topology) -> bool:
        tested = [way for way in plans(topology) if way.tests]
        groups = [g for way in tested for g in way.stand_ins if g.requirement == requirement]
        return topology.firewall is not None and bool(groups)

    return has


def _block(name: str, requirement: str) -> Callable[[Topology], Topology]:
    """The firewall loses what is for the first server of a group, for all agents."""

    def change(topology: Topology) -> Topology:
        assert topology.firewall is not None, "it applies only there"
        groups = [g for way in plans(topology) for g in way.stand_ins]
        group = next(g for g in groups if g.requirement == requirement)
        first = host_prefix(group.endpoints[0].address)
        return drop(topology, DropRule(name=name, node=topology.firewall.node, destination=first))

    return change


def _has_networks(topology: Topology) -> bool:
    own = [topology.node(agent).uplink.segment for agent in topology.agents]
    return len({*own}) > 1 and {*own} <= {*topology.insides} and bool(plans(topology))


def _first_network_is_down(topology: Topology) -> Topology:
    assert topology.firewall is not None, "it applies only there"
    segment = topology.segment(topology.node(topology.agents[0]).uplink.segment)
    for subnet in filter(None, (segment.subnet, segment.subnet6)):
        rule = DropRule(
            name="network-down", node=topology.firewall.node, source=subnet, passing=True
        )
        topology = drop(topology, rule)
    return topology


EARLIER = {"esa-aix-2025": "hmc-2017-simplified", "hmc-2017-simplified": "hmc-2007"}
"""By whose addresses a customer's firewall was set up before IBM's servers moved (V-02)."""


def _has_moved(topology: Topology) -> bool:
    if topology.firewall is None or topology.profile not in EARLIER:
        return False
    families = {family_of(address) for address in _earlier_addresses(topology)}
    return any(families & {*way.families} for way in plans(topology))


def _earlier_addresses(topology: Topology) -> tuple[str, ...]:
    from lab.topology import catalogue  # On the host only: the guest reads no tables.

    servers = catalogue.profile(EARLIER[topology.profile]).servers()
    return tuple(dict.fromkeys(a.address for a in servers if a.offers("tcp", 443)))


def _earlier_rules(topology: Topology) -> Topology:
    """The rules for the way home are those that the papers asked for a generation earlier."""
    firewall = topology.firewall
    assert firewall is not None, "it applies only there"
    tcp = [rule for rule in firewall.rules if rule.protocol == "tcp"]
    own = [rule for rule in tcp if rule.requirement != ENTERED]
    moved = dict.fromkeys(
        replace(rule, destination=each)
        for rule in own
        for each in _earlier_addresses(topology)
        if family_of(each) is family_of(rule.source)
    )
    others = tuple(rule for rule in firewall.rules if rule not in own)
    return replace(topology, firewall=replace(firewall, rules=(*moved, *others)))


GLOBAL_UNICAST = "2000::/3"
"""RFC 4291 2.4, by IANA's assignment."""


def _by_ipv6(topology: Topology) -> bool:
    return any(Family.ipv6 in way.families for way in plans(topology))


def _by_ipv4_too(topology: Topology) -> bool:
    return all(Family.ipv4 in way.families for way in plans(topology))


def _ipv6_is_lost(topology: Topology) -> Topology:
    (internet,) = topology.with_role(Role.internet)
    rule = DropRule(name="ipv6-broken", node=internet.name, destination=GLOBAL_UNICAST)
    return drop(topology, rule)


def _has_both_ports(topology: Topology) -> bool:
    both = [{end.port for end in errand.endpoints} for errand in topology.errands]
    backed_up = any(ports >= {HTTP_PORT, HTTPS_PORT} for ports in both)
    return topology.firewall is not None and backed_up


def _https_is_blocked(topology: Topology) -> Topology:
    assert topology.firewall is not None, "it applies only there"
    node = topology.firewall.node
    return drop(topology, DropRule(name="blocked-443", node=node, protocol="tcp", port=HTTPS_PORT))


def _calls_through_firewall(topology: Topology) -> bool:
    return topology.firewall is not None and bool(plans(topology))


def _problems_of_ursf(topology: Topology) -> tuple[str, ...]:
    """Where URSF takes problems (A-31)."""
    own = (e for e in topology.errands if e.variant == "ursf" and e.kind is ErrandKind.problem)
    return tuple(end.address for errand in own for end in errand.endpoints)


def _reports_to_ursf(topology: Topology) -> bool:
    return topology.firewall is not None and bool(_problems_of_ursf(topology))


def _problems_are_blocked(topology: Topology) -> Topology:
    assert topology.firewall is not None, "it applies only there"
    node = topology.firewall.node
    for address in _problems_of_ursf(topology):
        rule = DropRule(name="ursf-blocked", node=node, destination=host_prefix(address))
        topology = drop(topology, rule)
    return topology


def _has_back_ends(topology: Topology) -> bool:
    done = {errand.kind for errand in topology.errands}
    return any(done & {*one.serves} for one in topology.back_ends)


def _first_back_end_is_down(topology: Topology) -> Topology:
    done = {errand.kind for errand in topology.errands}
    first = next(one for one in topology.back_ends if done & {*one.serves})
    here = host_prefix(first.address)
    return drop(
        topology, DropRule(name="back-end-down", node=first.node, destination=here, own=True)
    )


FAULTS = (
    Fault(
        "address-moved",
        "the firewall's rules are of the addresses that IBM's servers had a generation earlier",
        Need(
            "a direct path through a firewall, to servers that have moved",
            _has_moved,
            "direct",
            also=("proxy",),
        ),
        _earlier_rules,
    ),
    Fault(
        "ipv6-broken",
        "the Internet has routes for IPv6, and loses its packets in silence",
        Need("a direct path by IPv6", _by_ipv6, "direct"),
        _ipv6_is_lost,
        backed_up=_by_ipv4_too,
    ),
    Fault(
        "server-down",
        "the listed server that is asked first does not answer",
        Need("a direct path to several servers", _has_others, "direct"),
        lambda t: _first_is_down(t, "server-down"),
        survives=True,
    ),
    Fault(
        "primary-down",
        "the server that is asked first does not answer, until every agent has called home by another one",
        Need("a direct path to servers of several names", _has_sites, "direct"),
        lambda t: _first_is_down(t, "primary-down", passing=True),
        survives=True,
    ),
    Fault(
        "address-blocked",
        "the firewall loses what is for one address of the front end",
        Need(
            "a direct path with tested connections to a front end, through a firewall",
            _has_stand_ins("F-12"),
            "direct",
        ),
        _block("address-blocked", "F-12"),
        survives=True,
    ),
    Fault(
        "eccgw-blocked",
        "the firewall loses what is for one of the two servers for registration and bulk data",
        Need(
            "a direct path with tested connections to both of these servers, through a firewall",
            _has_stand_ins("F-13"),
            "direct",
        ),
        _block("eccgw-blocked", "F-13"),
        survives=True,
    ),
    Fault(
        "config-server-blocked",
        "the firewall loses what is for one of the two configuration servers",
        Need(
            "a direct path with tested connections to two configuration servers, through a firewall",
            _has_stand_ins("F-14"),
            "direct",
        ),
        _block("config-server-blocked", "F-14"),
        survives=True,
    ),
    Fault(
        "network-down",
        "the firewall loses what comes from the first agent's network, until every agent has tried to call",
        Need(
            "direct paths of agents on networks of their own, behind one firewall",
            _has_networks,
            "direct",
        ),
        _first_network_is_down,
        survives=True,
    ),
    Fault(
        "back-end-down",
        "a server behind IBM's front end does not answer",
        Need("errands at a front end with servers behind it", _has_back_ends, "direct"),
        _first_back_end_is_down,
    ),
    Fault(
        "blocked-443",
        "the customer's firewall loses TCP 443, and lets TCP 80 pass",
        Need(
            "an errand with HTTP as a backup, through a firewall",
            _has_both_ports,
            "direct",
            also=("proxy",),
        ),
        _https_is_blocked,
    ),
    Fault(
        "blocked-443",
        "the customer's firewall loses TCP 443",
        Need(
            "a direct path through a firewall",
            _calls_through_firewall,
            "direct",
            also=("proxy",),
        ),
        _https_is_blocked,
    ),
    Fault(
        "ursf-blocked",
        "the customer's firewall loses what goes to URSF's servers for problems",
        Need("problems that go to URSF through a firewall", _reports_to_ursf, "direct"),
        _problems_are_blocked,
    ),
    *server_faults.FAULTS,
)
