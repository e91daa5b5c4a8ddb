"""A firewall that breaks TLS open: which connections it takes itself, and what it may do for that. Pure.

No paper asks for these rules. The program behind them is ``lab.ways.direct.interceptor``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.linux import matches
from lab.topology.family import Family, family_of
from lab.topology.model import HTTPS_PORT, AllowRule, Firewall, Topology

PORT = 3129
"""Where the program listens, on the firewall's addresses towards the customer."""
INSPECTED = "tls-inspected"
"""The counter of what the firewall takes itself."""
HOOK = "type nat hook prerouting priority dstnat; policy accept;"


@dataclass(frozen=True, slots=True)
class InspectedFlow:
    """What the papers have a firewall let pass, and it breaks open: HTTPS from one source to one place."""

    rule: AllowRule
    destination: str
    """As nft has it: an address or prefix, or a set of what the resolver was told."""
    segment: str
    """The wire from which it comes."""
    near: str
    """The firewall's own address there."""


def addresses(topology: Topology, firewall: Firewall) -> tuple[str, ...]:
    """The firewall's own addresses towards the customer."""
    node = topology.node(firewall.node)
    return tuple(ip for segment in topology.insides for ip in node.interface(segment).ips)


def openings(
    topology: Topology, firewall: Firewall, destinations: Iterable[str]
) -> tuple[InspectedFlow, ...]:
    """Of each rule for HTTPS; ``destinations`` are those of all rules, as nft has them."""
    if not firewall.inspects:
        return ()
    found = []
    for rule, destination in zip(firewall.rules, destinations, strict=True):
        if rule.protocol != "tcp" or not rule.admits(HTTPS_PORT):
            continue
        segment = topology.inside_of(rule.source)
        wire = topology.node(firewall.node).interface(segment)
        near = wire.ip6 if family_of(rule.source) is Family.ipv6 else wire.ip
        found.append(InspectedFlow(rule, destination, segment, near))
    return tuple(found)


def taken(own: Iterable[InspectedFlow], counted: str) -> list[str]:
    """For the hook: HTTPS goes to the program in the place of the server."""
    rules = []
    for each in own:
        ip = matches.ip(each.rule.source)
        to = f"[{each.near}]:{PORT}" if ip == "ip6" else f"{each.near}:{PORT}"
        rules.append(
            f'iifname "{each.segment}" {ip} saddr {each.rule.source} {ip} daddr {each.destination} '
            f"tcp dport {HTTPS_PORT} {counted} dnat {ip} to {to}"
        )
    return rules


def rules(own: Iterable[InspectedFlow], outside: str) -> tuple[list[str], list[str]]:
    """For input and for output: with clients, and with the servers that clients meant."""
    inwards: dict[str, None] = {}
    outwards: dict[str, None] = {}
    for each in own:
        ip = matches.ip(each.rule.source)
        inwards[f"{ip} daddr {each.near} tcp dport {PORT} ct status dnat accept"] = None
        outwards[f"{ip} saddr {each.near} tcp sport {PORT} ct state established accept"] = None
        to = f'oifname "{outside}" {ip} daddr {each.destination} tcp dport {HTTPS_PORT}'
        back = f'iifname "{outside}" {ip} saddr {each.destination} tcp sport {HTTPS_PORT}'
        outwards[f"{to} accept"] = None
        inwards[f"{back} ct state established accept"] = None
    return [*inwards], [*outwards]
