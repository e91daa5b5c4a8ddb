"""NAT as nft rules: of the customer's firewall, and of routers behind it.

The firewall's are the lab's own, where no file of the user's brings any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.topology.model import EdgeRouter, Firewall, Topology
from lab.topology.own_rules import find

HOOK = "type nat hook postrouting priority srcnat; policy accept;"
UNASKED = "unasked"
"""The counter of what comes to a router with NAT from outside, and is no answer."""
NatChain = tuple[str, str, list[str]]
"""Name, hook and rules."""


def chains(topology: Topology, node: str, counter: Callable[[str], str]) -> Iterator[NatChain]:
    """What does NAT at a node; ``counter`` declares one, and gives the statement that counts."""
    wall = topology.firewall
    if wall is not None and wall.node == node and (hiding := rules(topology, wall)):
        yield "postrouting", HOOK, hiding
    for router in topology.routers:
        if router.node == node and router.snat:
            yield from _of_router(topology, router, counter(UNASKED))


def rules(topology: Topology, firewall: Firewall) -> list[str]:
    """IPv4 from the customer's links leaves from the firewall's own address outside; none without SNAT."""
    own = find(topology.own_rules, firewall.node)
    if not firewall.snat or (own is not None and own.source_nat):
        return []
    outside = topology.node(firewall.node).interface(firewall.outside).ip
    subnets = [topology.segment(segment).subnet for segment in topology.insides]
    going = f'oifname "{firewall.outside}" ip saddr'
    return [f"{going} {subnet} snat ip to {outside}" for subnet in subnets]


def _of_router(topology: Topology, router: EdgeRouter, counted: str) -> Iterator[NatChain]:
    """Whatever comes from the firewall's side gets the router's address; from outside only answers pass.

    Without the latter a router would answer for itself what is sent to the customer's only address.
    """
    address = topology.node(router.node).interface(router.outside).ip
    going = f'oifname "{router.outside}" ip saddr != {address} snat ip to {address}'
    coming = f'iifname "{router.outside}" meta nfproto ipv4 ct state new,invalid {counted} drop'
    yield "postrouting", HOOK, [going]
    for hook in ("input", "forward"):
        yield f"nat-{hook}", f"type filter hook {hook} priority filter; policy accept;", [coming]
