"""Frames and packets that no program of ours would send: to try what forwards or answers them.

Pure: bytes out. scapy would do the same, but costs seconds to import in the guest.
"""

from __future__ import annotations

import socket
import struct

_ETHERTYPE_IPV4, _ETHERTYPE_IPV6 = 0x0800, 0x86DD
HEADERS = {
    _ETHERTYPE_IPV4: (slice(26, 30), slice(30, 34), 23),
    _ETHERTYPE_IPV6: (slice(22, 38), slice(38, 54), 20),
}
"""By Ethernet's type, where in a frame of ours source, destination and protocol are."""
_IPV6 = struct.Struct("!IHBB16s16s")
_IP = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")
_UDP = struct.Struct("!HHHH")
_ECHO = struct.Struct("!BBHHH")
_SYN = 0x02


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    *,
    ident: int = 0,
    ttl: int = 64,
) -> bytes:
    """An IPv4 packet that may not be fragmented."""
    ends = socket.inet_aton(source), socket.inet_aton(destination)
    length = _IP.size + len(payload)
    bare = _IP.pack(0x45, 0, length, ident, 0x4000, ttl, protocol, 0, *ends)
    return bare[:10] + struct.pack("!H", checksum(bare)) + bare[12:] + payload


def udp(
    source: str,
    destination: str,
    ports: tuple[int, int],
    data: bytes,
    *,
    ident: int = 0,
    ttl: int = 64,
) -> bytes:
    """An IPv4 packet with a datagram; without a checksum, as RFC 768 allows."""
    head = _UDP.pack(*ports, _UDP.size + len(data), 0)
    return ip(source, destination, socket.IPPROTO_UDP, head + data, ident=ident, ttl=ttl)


def syn(
    source: str, destination: str, ports: tuple[int, int], *, sequence: int = 1, ident: int = 0
) -> bytes:
    """An IP packet with a bare SYN; ``ident`` is IPv4's."""
    head = _TCP.pack(*ports, sequence, 0, 5 << 4, _SYN, 64240, 0, 0)
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    # Of IPv6 the numbers are longer (RFC 8200 8.1); the sum of both is the same.
    pseudo = ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(head))
    tcp = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
    if family == socket.AF_INET6:
        return _IPV6.pack(6 << 28, len(tcp), socket.IPPROTO_TCP, 64, ends[:16], ends[16:]) + tcp
    return ip(source, destination, socket.IPPROTO_TCP, tcp, ident=ident)


def echo(source: str, destination: str, number: int, *, ident: int = 0) -> bytes:
    """An IPv4 packet with an ICMP echo request (RFC 792)."""
    bare = _ECHO.pack(8, 0, 0, number, 1)
    request = _ECHO.pack(8, 0, checksum(bare), number, 1)
    return ip(source, destination, socket.IPPROTO_ICMP, request, ident=ident)


def dns_query(name: str, number: int) -> bytes:
    """A question for an address (RFC 1035 4.1)."""
    labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!xHH", 1, 1)


def tcp_syn(
    macs: tuple[str, str], addresses: tuple[str, str], ports: tuple[int, int], *, sequence: int
) -> bytes:
    """An Ethernet frame with a bare SYN; each pair is (source, destination)."""
    sender, receiver = (bytes.fromhex(mac.replace(":", "")) for mac in macs)
    packet = syn(*addresses, ports, sequence=sequence)
    kind = _ETHERTYPE_IPV6 if ":" in addresses[0] else _ETHERTYPE_IPV4
    return receiver + sender + struct.pack("!H", kind) + packet
