"""What packets are like, in the words of nftables (nft(8)): parts of rules, for ``firewall``. Pure."""

from __future__ import annotations

from lab.topology.family import Family, family_of

NEIGHBOURS = (
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, "
    "mld-listener-report, mld2-listener-report }"
)
"""How a host finds its neighbours, and says what it listens to (RFC 4861, RFC 2710, RFC 3810)."""
IPV6_HEADER_BYTES = 40


def ip(address: str) -> str:
    """The header that an address or a prefix is in."""
    return "ip6" if family_of(address) is Family.ipv6 else "ip"


def first_packet(protocol: str, port: int, destination: str = "", port_to: int = 0) -> str:
    """What opens a flow to a service; port 0 is any, ``port_to`` the last one of a range.

    ``destination`` says by which version of IP.
    """
    if protocol == "icmp-echo":
        return f"{'icmpv6' if ip(destination) == 'ip6' else 'icmp'} type echo-request"
    if port_to:
        return f"{protocol} dport {port}-{port_to}"
    return f"{protocol} dport {port}" if port else f"meta l4proto {protocol}"


def either_way(protocol: str, port: int) -> tuple[str, ...]:
    """A protocol, or either end of its port."""
    if protocol == "any":
        return ("",)
    if not port:
        return (f"meta l4proto {protocol} ",)
    return (f"{protocol} dport {port} ", f"{protocol} sport {port} ")


def longer(octets: int, *, by_ipv6: bool) -> tuple[str, ...]:
    """IP packets longer than a size, 0 for any; an IPv6 header does not count itself (RFC 8200 3)."""
    if not octets:
        return ("",)
    in_ipv6 = f"ip6 length > {octets - IPV6_HEADER_BYTES} "
    return (f"ip length > {octets} ", *((in_ipv6,) if by_ipv6 else ()))
