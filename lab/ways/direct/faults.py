"""What can be wrong with a way home over the Internet: with servers, their addresses, and IPv6."""

from __future__ import annotations

from dataclasses import replace

from lab.topology.family import Family, family_of, host_prefix
from lab.topology.model import DropRule, Role, Topology
from lab.ways.direct.plan import DirectPlan
from lab.ways.fault import Fault, Need, drop


def _plans(topology: Topology) -> list[DirectPlan]:
    return [way for way in topology.ways if isinstance(way, DirectPlan)]


def _has_others(topology: Topology) -> bool:
    plans = _plans(topology)
    return bool(plans) and all(len({e.address for e in way.endpoints}) > 1 for way in plans)


def _first_is_down(topology: Topology) -> Topology:
    (sdc,) = topology.with_role(Role.sdc)
    first = host_prefix(_plans(topology)[0].endpoints[0].address)
    return drop(topology, DropRule(name="server-down", node=sdc.name, destination=first, own=True))


EARLIER = {"esa-aix-2025": "hmc-2017-simplified", "hmc-2017-simplified": "hmc-2007"}
"""By whose addresses a customer's firewall was set up before IBM's servers moved (V-02)."""


def _has_moved(topology: Topology) -> bool:
    if topology.firewall is None or topology.profile not in EARLIER:
        return False
    families = {family_of(address) for address in _earlier_addresses(topology)}
    return any(families & {*way.families} for way in _plans(topology))


def _earlier_addresses(topology: Topology) -> tuple[str, ...]:
    from lab.topology import catalogue  # On the host only: the guest reads no tables.

    servers = catalogue.profile(EARLIER[topology.profile]).servers()
    return tuple(dict.fromkeys(a.address for a in servers if a.offers("tcp", 443)))


def _earlier_rules(topology: Topology) -> Topology:
    """The rules for the way home are those that the papers asked for a generation earlier."""
    firewall = topology.firewall
    assert firewall is not None, "it applies only there"
    own = [rule for rule in firewall.rules if rule.protocol == "tcp"]
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
    return any(Family.ipv6 in way.families for way in _plans(topology))


def _by_ipv4_too(topology: Topology) -> bool:
    return all(Family.ipv4 in way.families for way in _plans(topology))


def _ipv6_is_lost(topology: Topology) -> Topology:
    (internet,) = topology.with_role(Role.internet)
    rule = DropRule(name="ipv6-broken", node=internet.name, destination=GLOBAL_UNICAST)
    return drop(topology, rule)


FAULTS = (
    Fault(
        "address-moved",
        "the firewall's rules are of the addresses that IBM's servers had a generation earlier",
        Need("a direct path through a firewall, to servers that have moved", _has_moved, "direct"),
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
        _first_is_down,
        survives=True,
    ),
)
