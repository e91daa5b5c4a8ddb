"""What can be wrong with names: with IBM's name server, and with a firewall that does not follow it."""

from __future__ import annotations

from dataclasses import replace

from lab.topology.dns import DNS_PORT, Dns
from lab.topology.family import Family, family_of, host_prefix
from lab.topology.model import AllowRule, DropRule, Topology
from lab.ways.fault import Fault, Need, drop

NOBODYS = {Family.ipv4: "198.19.255.254", Family.ipv6: "2001:2:0:ffff::fffe"}
"""Of the blocks for benchmarks (RFC 2544, RFC 5180): no lab has a machine there."""


def _dns(topology: Topology) -> Dns:
    assert topology.dns is not None, "it applies only there"
    return topology.dns


def _looks_up(topology: Topology) -> bool:
    """Whether every agent asks a name server of its own side, or has proxies that do."""
    return topology.dns is not None and all(
        topology.node(agent).resolver or _by_proxy(topology, agent) for agent in topology.agents
    )


def _by_proxy(topology: Topology, agent: str) -> bool:
    resolvers = [proxy.resolver for proxy in topology.proxies]
    return any(way.kind == "proxy" for way in topology.ways_of(agent)) and all(resolvers)


def _also_dials(topology: Topology) -> bool:
    """Whether every agent can call home by telephone, where AT&T's gateway has names of its own (L-03)."""
    return all(any(way.dials for way in topology.ways_of(a)) for a in topology.agents)


def _opens_names(topology: Topology) -> bool:
    firewall = topology.firewall
    by_name = firewall is not None and any(rule.is_by_name for rule in firewall.rules)
    return by_name and topology.dns is not None and bool(topology.dns.moves)


def _silent(topology: Topology) -> Topology:
    server = _dns(topology).server
    rule = DropRule(
        name="dns-silent",
        node=server.node,
        protocol="udp",
        port=DNS_PORT,
        destination=host_prefix(server.address),
        own=True,
    )
    return drop(topology, rule)


def _wrong_answer(topology: Topology) -> Topology:
    plan = _dns(topology)
    records = tuple(
        dict.fromkeys((name, NOBODYS[family_of(address)]) for name, address in plan.server.records)
    )
    server = replace(plan.server, records=records)
    return replace(topology, dns=replace(plan, server=server))


def _by_ipv6(topology: Topology) -> bool:
    plan = topology.dns
    return (
        _looks_up(topology)
        and plan is not None
        and any(family_of(address) is Family.ipv6 for _, address in plan.server.records)
    )


def _also_by_ipv4(topology: Topology) -> bool:
    """Whether every agent can call a listed server by IPv4, too."""
    return all(
        any(Family.ipv4 in way.ip_families for way in topology.ways_of(agent))
        for agent in topology.agents
    )


def _no_aaaa(topology: Topology) -> Topology:
    plan = _dns(topology)
    own = plan.server.records
    records = tuple(r for r in own if family_of(r[1]) is Family.ipv4)
    kept = {name for name, _ in records}
    bare = tuple(dict.fromkeys(name for name, _ in own if name not in kept))
    return replace(
        topology, dns=replace(plan, server=replace(plan.server, records=records, bare=bare))
    )


def _pinned(topology: Topology) -> Topology:
    firewall, plan = topology.firewall, _dns(topology)
    assert firewall is not None, "it applies only there"
    rules: dict[AllowRule, None] = {}
    for rule in firewall.rules:
        addresses = plan.addresses_of(rule.destination) if rule.is_by_name else ()
        rules |= dict.fromkeys(
            replace(rule, destination=each) for each in addresses or (rule.destination,)
        )
    return replace(topology, firewall=replace(firewall, rules=tuple(rules)))


NAMES = Need("agents that look IBM's names up by DNS", _looks_up)

FAULTS = (
    Fault(
        "dns-silent",
        "IBM's name server does not answer",
        NAMES,
        _silent,
        backed_up=_also_dials,
    ),
    Fault(
        "dns-wrong-answer",
        "IBM's names lead to an address that is not listed, where nobody is",
        NAMES,
        _wrong_answer,
        backed_up=_also_dials,
    ),
    Fault(
        "dns-no-aaaa",
        "IBM's names have no IPv6 addresses",
        Need("agents that look IPv6 addresses up by DNS", _by_ipv6),
        _no_aaaa,
        backed_up=_also_by_ipv4,
    ),
    Fault(
        "addresses-pinned",
        "the firewall opens the listed addresses in the place of names, and the servers move",
        Need("a firewall that opens names, and servers that move", _opens_names),
        _pinned,
    ),
)
