"""IP packets, on a wire or out of a tunnel: headers by ``struct``, nothing judged."""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass, field, fields
from functools import lru_cache
from socket import AF_INET6, inet_ntoa, inet_ntop

from lab.wire import checksums

ICMP = 1
TCP = 6
UDP = 17
GRE = 47
ESP = 50
AH = 51
ICMPV6 = 58
L2TP_V3 = 115

ICMP_ERRORS = (3, 11, 12)
"""Unreachable, time exceeded, parameter problem (RFC 792): each quotes the packet that it is about."""

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _DESTINATION)
"""The headers of RFC 8200 4 that say in eights of bytes how long they are."""
_NEIGHBOURS = range(133, 138)
"""ICMPv6 types of routers and neighbours (RFC 4861 4)."""
_LISTENERS = (130, 131, 132, 143)
"""ICMPv6 types of who listens to which group (RFC 2710 3, RFC 3810 5)."""

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10

_ipv4_header = struct.Struct("!BBHHHBBH4s4s")
_ipv6_header = struct.Struct("!IHBB16s16s")
_fragment_header = struct.Struct("!BxHI")
_ports = struct.Struct("!HH")


Ends = tuple[str, str, int, int, int]
"""Source, destination, protocol, source port, destination port; 0 where there are no ports."""


def reverse(ends: Ends) -> Ends:
    """The ends of an answer."""
    source, destination, protocol, near, far = ends
    return destination, source, protocol, far, near


@lru_cache(maxsize=4096)
def _ipv4_text(raw: bytes) -> str:
    return inet_ntoa(raw)


@lru_cache(maxsize=4096)
def _ipv6_text(raw: bytes) -> str:
    return inet_ntop(AF_INET6, raw)


@dataclass(slots=True, eq=False)
class Packet:
    """An IP packet, on a wire or out of a tunnel.

    A packet has no bytes of its own: ``raw`` is what it was read from, such as a frame. So captures are in
    memory once.
    """

    source: str
    destination: str
    protocol: int
    identification: int
    """Of IPv6 that of the fragment header, 0 without one."""
    length: int
    """Of the whole IP packet."""
    fragment_offset: int
    more_fragments: bool
    raw: bytes = field(repr=False)
    payload_from: int = 0
    """Where ``payload`` begins in ``raw``, and below where it ends."""
    payload_to: int = sys.maxsize
    source_port: int = 0
    destination_port: int = 0
    tcp_flags: int = 0
    tcp_sequence: int = 0
    ttl: int = 64
    body_from: int = 0
    body_to: int = sys.maxsize
    body_protocol: int = 0
    """What the body of a fragment begins with: of IPv6 it may be another extension header."""
    unread: str = ""
    """Why nobody can read what this fragment is a part of (``fragments``); empty if that can be read."""

    @property
    def payload(self) -> bytes:
        """What follows the transport header.

        Of a protocol without one that we know, and in later fragments, what follows the IP header.
        """
        return self.raw[self.payload_from : self.payload_to]

    @property
    def body(self) -> bytes:
        """What follows the IP header and IPv6's extension headers; a fragment has a part of that."""
        return self.raw[self.body_from : self.body_to]

    def __eq__(self, other: object) -> bool:
        """Two are equal by what they say, wherever they were read from."""
        if not isinstance(other, Packet):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _SAID)

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_fragment(self) -> bool:
        """One of several parts of a datagram, of which the first alone has ports (RFC 791 3.2)."""
        return self.more_fragments or self.fragment_offset > 0

    @property
    def lacks_ports(self) -> bool:
        """Whether it is a fragment of which nobody can say what the ports are."""
        return bool(self.unread) and not (self.source_port or self.destination_port)

    @property
    def is_intact(self) -> bool:
        """Whether the checksum of TCP, UDP or ICMP is right: who receives a wrong one drops it in silence.

        Whether a fragment is, only the whole datagram says.
        """
        return self.is_fragment or checksums.is_right(
            self.source, self.destination, self.protocol, self.body
        )

    @property
    def ends(self) -> Ends:
        ports = self.source_port, self.destination_port
        return (self.source, self.destination, self.protocol, *ports)

    @property
    def version(self) -> int:
        """Of IP."""
        return 6 if ":" in self.source else 4

    @property
    def is_of_link(self) -> bool:
        """Whether it is what IPv6 has in the place of ARP: neighbours, routers, listeners of groups.

        No router passes it on: it has the largest hop limit (RFC 4861 7.1), or the smallest and goes to a
        group of the link (RFC 3810 5).
        """
        if self.protocol != ICMPV6 or not self.payload or self.is_fragment:
            return False
        kind = self.payload[0]
        if self.ttl == 1 and self.destination.startswith("ff02:"):
            return kind in _LISTENERS
        return self.ttl == 255 and kind in _NEIGHBOURS

    @property
    def is_bare_syn(self) -> bool:
        """The first packet of a TCP connection; with FIN or RST beside SYN a host discards it."""
        mattering = _SYN | _ACK | _FIN | _RST
        return self.protocol == TCP and self.tcp_flags & mattering == _SYN

    @property
    def is_syn_ack(self) -> bool:
        return self.protocol == TCP and self.tcp_flags & (_SYN | _ACK) == _SYN | _ACK

    @property
    def is_reset(self) -> bool:
        return self.protocol == TCP and bool(self.tcp_flags & _RST)

    def uses_udp(self, port: int) -> bool:
        return self.protocol == UDP and port in (self.source_port, self.destination_port)

    @property
    def ends_connection(self) -> bool:
        """One end of a TCP connection sends no more."""
        return self.protocol == TCP and bool(self.tcp_flags & (_FIN | _RST))


_SAID = (
    *(each.name for each in fields(Packet) if not each.name.endswith(("raw", "_from", "_to"))),
    "payload",
    "body",
)
"""What makes packets equal."""


def parse_ip(data: bytes, at: int = 0, end: int = sys.maxsize) -> Packet | None:
    """An IP packet of either version between two places, or None if it is neither."""
    version = data[at] >> 4 if min(end, len(data)) > at else 0
    if version == 4:
        return parse_ipv4(data, at, end)
    return parse_ipv6(data, at, end) if version == 6 else None


def parse_ipv4(data: bytes, at: int = 0, end: int = sys.maxsize) -> Packet | None:
    """The IPv4 packet between two places, with its transport header; None if it is cut short or not IPv4.

    None, too, if the checksum of the header is wrong: nobody can say who such a packet is for, and the next
    node drops it before any rule (RFC 1122 3.2.1.2, RFC 1812 5.2.2).
    """
    room = min(end, len(data)) - at
    if room < 20:
        return None
    header = (data[at] & 0x0F) * 4
    length = data[at + 2] << 8 | data[at + 3]
    if length > room or not checksums.adds_up(data[at : at + header]):
        return None
    return _parse_ipv4(data, at, header, length)


def parse_quoted(data: bytes) -> Packet | None:
    """An IPv4 packet that an ICMP error quotes, as far as it is quoted (RFC 792, RFC 1812 4.3.2.3).

    Its checksum is nobody's business any more.
    """
    if len(data) < 20:
        return None
    return _parse_ipv4(data, 0, (data[0] & 0x0F) * 4, data[2] << 8 | data[3])


def _parse_ipv4(data: bytes, at: int, header: int, length: int) -> Packet | None:
    first, _, _, ident, fragment, ttl, protocol, _, src, dst = _ipv4_header.unpack_from(data, at)
    if first >> 4 != 4 or header < 20 or length < header:
        return None

    begin, end = at + header, min(at + length, len(data))
    packet = Packet(
        _ipv4_text(src),
        _ipv4_text(dst),
        protocol,
        ident,
        length,
        (fragment & 0x1FFF) * 8,
        bool(fragment & 0x2000),
        data,
        begin,
        end,
        ttl=ttl,
        body_from=begin,
        body_to=end,
        body_protocol=protocol,
    )
    if packet.fragment_offset == 0:
        _parse_transport(packet)
    return packet


def parse_ipv6(data: bytes, at: int = 0, end: int = sys.maxsize) -> Packet | None:
    """The IPv6 packet between two places, with its transport header, behind extension headers (RFC 8200 4).

    None if it is cut short or not IPv6. Where the chain of headers does not end as it should, ``protocol`` is
    the last header's that could be read.
    """
    end = min(end, len(data))
    if end - at < _ipv6_header.size:
        return None
    first, length, protocol, ttl, src, dst = _ipv6_header.unpack_from(data, at)
    begin = at + _ipv6_header.size
    if first >> 28 != 6 or begin + length > end:
        return None

    whole = _ipv6_header.size + length
    packet = Packet(
        _ipv6_text(src), _ipv6_text(dst), protocol, 0, whole, 0, False, data, begin, begin + length,
        ttl=ttl,
    )  # fmt: skip
    _read_body(packet)
    return packet


def assembled(first: Packet, body: bytes) -> Packet:
    """The datagram of which ``first`` is the first fragment, and ``body`` what all of them carry."""
    # Of IPv6 the fragment header is none of the datagram's own.
    header = first.length - len(first.body) - (8 if first.version == 6 else 0)
    whole = Packet(
        first.source,
        first.destination,
        first.body_protocol,
        first.identification,
        header + len(body),
        0,
        False,
        body,
        0,
        len(body),
        ttl=first.ttl,
    )
    _read_body(whole)
    return whole


def _read_body(packet: Packet) -> None:
    _pass_extensions(packet)
    if not packet.is_fragment:
        packet.body_from, packet.body_to = packet.payload_from, packet.payload_to
        packet.body_protocol = packet.protocol
    if packet.fragment_offset == 0:
        _parse_transport(packet)


def _pass_extensions(packet: Packet) -> None:
    """Take the extension headers off the payload; what follows in a later fragment is no header."""
    raw, end = packet.raw, packet.payload_to
    while end - packet.payload_from >= 8 and packet.fragment_offset == 0:
        at = packet.payload_from
        if packet.protocol == _FRAGMENT:
            following, offset, packet.identification = _fragment_header.unpack_from(raw, at)
            packet.fragment_offset = offset & 0xFFF8
            packet.more_fragments = bool(offset & 1)
            packet.body_from, packet.body_to, packet.body_protocol = at + 8, end, following
            size = 8
        elif packet.protocol in _EXTENSIONS:
            following, size = raw[at], (raw[at + 1] + 1) * 8
        else:
            return
        if size > end - at:
            return
        packet.protocol, packet.payload_from = following, at + size


def bare_transport(source: str, destination: str, protocol: int, data: bytes) -> Packet:
    """What transport mode carries: a transport header without its IP header (RFC 4303 3.1.1)."""
    length = 20 + len(data)
    packet = Packet(source, destination, protocol, 0, length, 0, False, data, 0, len(data))
    _read_body(packet)
    return packet


def _parse_transport(packet: Packet) -> None:
    raw, at, end = packet.raw, packet.payload_from, packet.payload_to

    if packet.protocol == UDP and end - at >= 8:
        packet.source_port, packet.destination_port = _ports.unpack_from(raw, at)
        packet.payload_from = at + 8
        if not packet.more_fragments:
            length = raw[at + 4] << 8 | raw[at + 5]
            packet.payload_to = min(end, at + max(8, length))

    elif packet.protocol == TCP and end - at >= 20:
        packet.source_port, packet.destination_port = _ports.unpack_from(raw, at)
        packet.tcp_sequence = int.from_bytes(raw[at + 4 : at + 8], "big")
        packet.tcp_flags = raw[at + 13]
        packet.payload_from = at + (raw[at + 12] >> 4) * 4
