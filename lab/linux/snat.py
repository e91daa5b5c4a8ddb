"""SNAT of the customer's firewall, as nft rules: the lab's own, where no file of the user's brings any."""

from __future__ import annotations

from lab.topology.model import Firewall, Topology
from lab.topology.own_rules import find

HOOK = "type nat hook postrouting priority srcnat; policy accept;"


def rules(topology: Topology, firewall: Firewall) -> list[str]:
    """IPv4 from the customer's links leaves from the firewall's own address outside; none without SNAT."""
    own = find(topology.own_rules, firewall.node)
    if not firewall.snat or (own is not None and own.source_nat):
        return []
    outside = topology.node(firewall.node).interface(firewall.outside).ip
    subnets = [topology.segment(segment).subnet for segment in topology.insides]
    going = f'oifname "{firewall.outside}" ip saddr'
    return [f"{going} {subnet} snat ip to {outside}" for subnet in subnets]
