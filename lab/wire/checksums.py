"""The checksums of IP, TCP, UDP and ICMP, as who receives a packet checks them (RFC 1071); nothing judged."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_pton

_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_PLACES = {_ICMP: 2, _TCP: 16, _UDP: 6, _ICMPV6: 2}
"""Where in the header the checksum stands; other protocols have none, or one of another kind."""
_ONES = 0xFFFF


def adds_up(data: bytes) -> bool:
    """Whether the sum of all 16-bit words, in one's complement, is minus zero."""
    return int.from_bytes(data, "big") % _ONES == 0


def is_right(source: str, destination: str, protocol: int, body: bytes) -> bool:
    """Whether the checksum in a transport header is right; True where there is none to check.

    A datagram by IPv4 may do without one (RFC 768), one by IPv6 may not (RFC 8200 8.1).
    """
    place = _PLACES.get(protocol)
    if place is None or len(body) < place + 2:
        return True
    family = AF_INET6 if ":" in source else AF_INET
    if protocol == _UDP:
        if family == AF_INET and body[place : place + 2] == b"\0\0":
            return True
        body = body[: max(8, body[4] << 8 | body[5])]
    padded = body + b"\0" if len(body) % 2 else body
    total = int.from_bytes(padded, "big")
    if protocol != _ICMP:  # with who it is from and for (RFC 793 3.1, RFC 8200 8.1)
        ends = inet_pton(family, source) + inet_pton(family, destination)
        total += int.from_bytes(ends, "big") + protocol + len(body)
    return total % _ONES == 0
