"""Whether an address is in a network. Each pair is looked at once: a run has few of them, many packets."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address, ip_network

BROADCAST = "255.255.255.255"


@cache
def is_in(address: str, network: str) -> bool:
    """``network`` is a prefix, or a single address; host bits do not matter."""
    return ip_address(address) in ip_network(network, strict=False)


@cache
def is_for_all(address: str) -> bool:
    """Multicast, or the limited broadcast (RFC 919 7)."""
    return ip_address(address).is_multicast or address == BROADCAST
