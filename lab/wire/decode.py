"""Captures as light frames: headers by ``struct``, numbers as Wireshark counts, nothing judged.

scapy's raw reader gives the bytes (no dissection there: it costs a millisecond a frame). ISAKMP,
ESP, L2TP and PPP have readers of their own beside this module; they work on payloads found here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from socket import AF_INET6, inet_ntoa, inet_ntop
from typing import Any

from lab.errors import LabBroke
from lab.wire import checksums, dialled, vlan
from lab.wire._scapy import RawPcapNgReader, Scapy_Exception
from lab.wire.pcapng import LINKTYPE_ETHERNET

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_PPPOE = (0x8863, 0x8864)

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

_PCAPNG = b"\x0a\x0d\x0d\x0a"
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


@dataclass(slots=True)
class Packet:
    """An IP packet, on a wire or out of a tunnel.

    ``payload`` is what follows the transport header (after the IP header where there is none that
    we know, and in every fragment but the first).
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
    payload: bytes
    source_port: int = 0
    destination_port: int = 0
    tcp_flags: int = 0
    tcp_sequence: int = 0
    ttl: int = 64
    body: bytes = b""
    """What follows the IP header and IPv6's extension headers; of a fragment, all that it has a part of."""
    body_protocol: int = 0
    """What the body of a fragment begins with: of IPv6 it may be another extension header."""
    unread: str = ""
    """Why nobody can read what this fragment is a part of (``fragments``); empty if that can be read."""

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


@dataclass(slots=True)
class Frame:
    """One Ethernet frame of a capture."""

    segment: str
    number: int
    """Counted from 1, as Wireshark does."""
    time: float
    """Seconds since 1970 on the lab's clock."""
    data: bytes
    source_mac: bytes
    destination_mac: bytes
    ethertype: int
    ip: Packet | None
    vlans: tuple[int, ...] = ()
    """Of the tags that ``data`` is without, the outermost first."""


def read(path: Path, segment: str = "") -> list[Frame]:
    """Read a capture whole; the segment's name is the file's unless given.

    Raises LabBroke if the file is missing, or is no capture of Ethernet.
    """
    name = segment or path.stem
    found = []
    for number, time, data, metadata in read_packets(path, f"segment {name}"):
        if metadata.linktype != LINKTYPE_ETHERNET:
            kind = metadata.linktype
            raise LabBroke(f"{path} frame {number} is not Ethernet (link type {kind})")
        found.append(read_frame(name, number, time, data))
    return found


def read_packets(path: Path, what: str) -> Iterator[tuple[int, float, bytes, Any]]:
    """The packets of a pcapng file: number from 1, seconds since 1970, bytes, and scapy's metadata.

    Raises LabBroke, which names ``what`` was captured, if the file is missing or broken.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_PCAPNG))
        if magic != _PCAPNG:
            raise LabBroke(
                f"{path} is not a pcapng file (it begins with {magic.hex() or 'nothing'})"
            )
        with RawPcapNgReader(str(path)) as reader:
            for number, (data, metadata) in enumerate(reader, 1):
                meta: Any = metadata  # a namedtuple that scapy makes at run time
                ticks = (meta.tshigh << 32) | meta.tslow
                yield number, ticks / meta.tsresol, data, meta
    except FileNotFoundError as error:
        raise LabBroke(
            f"the capture of {what} is missing: {path}",
            hint="the run did not get as far as capturing; its error is in record.json",
        ) from error
    except (Scapy_Exception, EOFError) as error:
        raise LabBroke(f"{path} is not a capture that can be read: {error}") from error


def read_all(folder: Path) -> dict[str, list[Frame]]:
    """Every capture of Ethernet in a run directory's ``wire`` folder, by segment.

    What the telephone exchange kept is of another kind (``dialled``).
    """
    paths = sorted(folder.glob("*.pcapng"))
    return {path.stem: read(path) for path in paths if path.name != dialled.FRAMES}


def read_frame(segment: str, number: int, time: float, data: bytes) -> Frame:
    """A frame of a capture; ``ip`` is None where no IP packet can be read, and of what ``is_of_link``.

    Tags of VLANs are left out of ``data``, so that what follows is where it is in every other frame.
    """
    bare = vlan.untagged(data)
    vlans, data = () if bare is data else vlan.tags(data), bare
    if len(data) < 14:
        return Frame(segment, number, time, data, b"", b"", 0, None, vlans)

    ethertype = data[12] << 8 | data[13]
    if ethertype == ETHERTYPE_IPV4:
        ip = parse_ipv4(data[14:])
    elif ethertype == ETHERTYPE_IPV6:
        ip = parse_ipv6(data[14:])
        if ip is not None and ip.is_of_link:
            ip = None
    else:
        ip = None
    return Frame(segment, number, time, data, data[6:12], data[0:6], ethertype, ip, vlans)


def parse_ip(data: bytes) -> Packet | None:
    """An IP packet of either version, or None if it is neither."""
    version = data[0] >> 4 if data else 0
    return parse_ipv4(data) if version == 4 else parse_ipv6(data) if version == 6 else None


def parse_ipv4(data: bytes) -> Packet | None:
    """An IPv4 packet with its transport header; None if it is cut short or not IPv4.

    None, too, if the checksum of the header is wrong: nobody can say who such a packet is for, and the next
    node drops it before any rule (RFC 1122 3.2.1.2, RFC 1812 5.2.2).
    """
    if len(data) < 20:
        return None
    header = (data[0] & 0x0F) * 4
    length = data[2] << 8 | data[3]
    if length > len(data) or not checksums.adds_up(data[:header]):
        return None
    return _parse_ipv4(data, header, length)


def parse_quoted(data: bytes) -> Packet | None:
    """An IPv4 packet that an ICMP error quotes, as far as it is quoted (RFC 792, RFC 1812 4.3.2.3).

    Its checksum is nobody's business any more.
    """
    if len(data) < 20:
        return None
    return _parse_ipv4(data, (data[0] & 0x0F) * 4, data[2] << 8 | data[3])


def _parse_ipv4(data: bytes, header: int, length: int) -> Packet | None:
    first, _, _, ident, fragment, ttl, protocol, _, src, dst = _ipv4_header.unpack_from(data)
    if first >> 4 != 4 or header < 20 or length < header:
        return None

    packet = Packet(
        _ipv4_text(src),
        _ipv4_text(dst),
        protocol,
        ident,
        length,
        (fragment & 0x1FFF) * 8,
        bool(fragment & 0x2000),
        data[header:length],
        ttl=ttl,
        body_protocol=protocol,
    )
    packet.body = packet.payload
    if packet.fragment_offset == 0:
        _parse_transport(packet)
    return packet


def parse_ipv6(data: bytes) -> Packet | None:
    """An IPv6 packet with its transport header, behind its extension headers (RFC 8200 4).

    None if it is cut short or not IPv6. Where the chain of headers does not end as it should, ``protocol`` is
    the last header's that could be read.
    """
    if len(data) < _ipv6_header.size:
        return None
    first, length, protocol, ttl, src, dst = _ipv6_header.unpack_from(data)
    end = _ipv6_header.size + length
    if first >> 28 != 6 or end > len(data):
        return None

    packet = Packet(
        _ipv6_text(src), _ipv6_text(dst), protocol, 0, end, 0, False, data[40:end], ttl=ttl
    )
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
        ttl=first.ttl,
    )
    _read_body(whole)
    return whole


def _read_body(packet: Packet) -> None:
    _pass_extensions(packet)
    if not packet.is_fragment:
        packet.body, packet.body_protocol = packet.payload, packet.protocol
    if packet.fragment_offset == 0:
        _parse_transport(packet)


def _pass_extensions(packet: Packet) -> None:
    """Take the extension headers off the payload; what follows in a later fragment is no header."""
    while len(packet.payload) >= 8 and packet.fragment_offset == 0:
        if packet.protocol == _FRAGMENT:
            following, offset, packet.identification = _fragment_header.unpack_from(packet.payload)
            packet.fragment_offset = offset & 0xFFF8
            packet.more_fragments = bool(offset & 1)
            packet.body, packet.body_protocol = packet.payload[8:], following
            size = 8
        elif packet.protocol in _EXTENSIONS:
            following, size = packet.payload[0], (packet.payload[1] + 1) * 8
        else:
            return
        if size > len(packet.payload):
            return
        packet.protocol, packet.payload = following, packet.payload[size:]


def bare_transport(source: str, destination: str, protocol: int, data: bytes) -> Packet:
    """What transport mode carries: a transport header without its IP header (RFC 4303 3.1.1)."""
    packet = Packet(source, destination, protocol, 0, 20 + len(data), 0, False, data)
    _read_body(packet)
    return packet


def _parse_transport(packet: Packet) -> None:
    body = packet.payload

    if packet.protocol == UDP and len(body) >= 8:
        packet.source_port, packet.destination_port = _ports.unpack_from(body)
        length = body[4] << 8 | body[5]
        packet.payload = body[8:] if packet.more_fragments else body[8 : max(8, length)]

    elif packet.protocol == TCP and len(body) >= 20:
        packet.source_port, packet.destination_port = _ports.unpack_from(body)
        packet.tcp_sequence = int.from_bytes(body[4:8], "big")
        packet.tcp_flags = body[13]
        packet.payload = body[(body[12] >> 4) * 4 :]
