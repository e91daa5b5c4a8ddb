"""The customer's resolver on the customer's firewall: what may come in to it and go out from it. Pure.

No paper asks for these rules: the firewall itself asks IBM's name server for its customer, and nobody else.
"""

from __future__ import annotations

from lab.linux import matches
from lab.topology import model
from lab.topology.dns import DNS_PORT

LOOKUPS = "lookups"
"""The counter of its packets."""
KINDS = {"ip": "ipv4_addr", "ip6": "ipv6_addr"}
"""Version of IP to nft's type of addresses."""
OVER = "udp", "tcp"
"""RFC 7766: what does not fit a datagram is asked for by TCP."""


def rules(
    topology: model.Topology, firewall: model.Firewall, counted: str
) -> tuple[list[str], list[str]]:
    """The rules for input and for output; none where the firewall is no resolver.

    ``counted`` is the statement that counts a packet.
    """
    dns = topology.dns
    if dns is None or dns.resolver is None or dns.resolver.node != firewall.node:
        return [], []
    own, server = dns.resolver.source, dns.server.address
    ip = matches.ip(server)
    inwards, outwards = [], []
    for protocol in OVER:
        asks, told = f"{protocol} dport {DNS_PORT}", f"{protocol} sport {DNS_PORT}"
        outwards.append(f"{ip} saddr {own} {ip} daddr {server} {asks} {counted} accept")
        inwards.append(f"{ip} saddr {server} {ip} daddr {own} {told} ct state established accept")
        for address in dns.resolver.addresses:
            inwards.append(f"{ip} daddr {address} {asks} {counted} accept")
            outwards.append(f"{ip} saddr {address} {told} ct state established accept")
    return inwards, outwards


def told_set(name: str, ip: str) -> str:
    """The set of the addresses, of one version of IP, that the resolver was told of a host name."""
    return f"{'told6' if ip == 'ip6' else 'told'}-{name}"
