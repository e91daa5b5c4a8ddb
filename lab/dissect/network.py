"""IPv4, IPv6, ICMP and ICMPv6."""

from __future__ import annotations

from socket import AF_INET6, inet_ntop

from lab.dissect.anatomy import Anatomy, size
from lab.wire import decode, icmp
from lab.wire.decode import AH, ESP, GRE, ICMP, ICMPV6, TCP, UDP, Packet

_PIM = 103
PROTOCOLS = {
    ICMP: "ICMP",
    2: "IGMP",
    TCP: "TCP",
    UDP: "UDP",
    GRE: "GRE",
    ESP: "ESP",
    AH: "AH",
    ICMPV6: "ICMPv6",
    89: "OSPF",
    _PIM: "PIM",
    112: "VRRP",
    decode.L2TP_V3: "L2TP",
}
_ALONE = (AH, 89, _PIM, 112)
"""Protocols without a reader here, which are told by their names all the same."""
_TITLES = {4: "Internet Protocol Version 4", 6: "Internet Protocol Version 6"}

_UNREACHABLE = {
    0: "Network unreachable",
    1: "Host unreachable",
    2: "Protocol unreachable",
    3: "Port unreachable",
    4: "Fragmentation needed",
    5: "Source route failed",
    9: "Network administratively prohibited",
    10: "Host administratively prohibited",
    13: "Communication administratively filtered",
}
_EXPIRED = {
    0: "Time to live exceeded in transit",
    1: "Fragment reassembly time exceeded",
}
_KINDS = {
    0: "Echo (ping) reply",
    3: "Destination unreachable",
    5: "Redirect",
    8: "Echo (ping) request",
    11: "Time-to-live exceeded",
    12: "Parameter problem",
}
_KINDS_6 = {
    1: "Destination Unreachable",
    2: "Packet Too Big",
    3: "Time Exceeded",
    4: "Parameter Problem",
    128: "Echo (ping) request",
    129: "Echo (ping) reply",
    130: "Multicast Listener Query",
    131: "Multicast Listener Report",
    132: "Multicast Listener Done",
    133: "Router Solicitation",
    134: "Router Advertisement",
    135: "Neighbor Solicitation",
    136: "Neighbor Advertisement",
    137: "Redirect",
    143: "Multicast Listener Report Message v2",
}
_UNREACHABLE_6 = {
    0: "no route to destination",
    1: "Administratively prohibited",
    3: "Address unreachable",
    4: "Port unreachable",
}
_ECHOES = {ICMP: (8, 0), ICMPV6: (128, 129)}
_NEIGHBOUR = (135, 136)


def internet(anatomy: Anatomy, packet: Packet) -> None:
    """The header of IP; who sent the packet, and to whom."""
    anatomy.source = anatomy.named(packet.source)
    anatomy.destination = anatomy.named(packet.destination)
    version = packet.version
    name = PROTOCOLS.get(packet.protocol, "unknown")
    fields = [
        ("Source", anatomy.told(packet.source)),
        ("Destination", anatomy.told(packet.destination)),
        ("Protocol" if version == 4 else "Next header", f"{name} ({packet.protocol})"),
        ("Total length", str(packet.length)),
        ("Time to live" if version == 4 else "Hop limit", str(packet.ttl)),
    ]
    if version == 4 or packet.is_fragment:
        fields.append(
            ("Identification", f"0x{packet.identification:04x} ({packet.identification})")
        )
    if packet.is_fragment:
        more = "more follow" if packet.more_fragments else "the last one"
        fields.append(("Fragment", f"at byte {packet.fragment_offset}, {more}"))
    if packet.unread:
        fields.append(("Not put together", packet.unread))
    title = f"{_TITLES[version]}, {anatomy.source} → {anatomy.destination}"
    anatomy.add(f"IPv{version}", title, *fields)
    protocol = name if packet.protocol in _ALONE else f"IPv{version}"
    if packet.protocol == _PIM and packet.payload:
        protocol = f"PIMv{packet.payload[0] >> 4}"
    anatomy.say(protocol, f"{name} ({packet.protocol}), {packet.length} bytes")


def fragment(anatomy: Anatomy, packet: Packet) -> None:
    """Of a datagram that comes in parts, every part but the one that completes it."""
    name = PROTOCOLS.get(packet.body_protocol or packet.protocol, "unknown")
    number = packet.body_protocol or packet.protocol
    place = f"off={packet.fragment_offset}, ID={packet.identification:04x}"
    anatomy.say(f"IPv{packet.version}", f"Fragmented IP protocol (proto={name} {number}, {place})")


def control(anatomy: Anatomy, packet: Packet) -> None:
    """ICMP, ICMPv6: echoes, errors with the packet that they are about, neighbours."""
    body, version6 = packet.payload, packet.protocol == ICMPV6
    name = "ICMPv6" if version6 else "ICMP"
    if len(body) < icmp.HEADER_BYTES:
        anatomy.say(name, f"cut short: {size(body)}")
        return
    kind, code = body[0], body[1]
    what = (_KINDS_6 if version6 else _KINDS).get(kind, f"type {kind}")
    fields = [("Type", f"{kind} ({what})"), ("Code", str(code))]
    info = what
    if kind in _ECHOES[packet.protocol]:
        ident, sequence = int.from_bytes(body[4:6], "big"), int.from_bytes(body[6:8], "big")
        fields += [("Identifier", f"0x{ident:04x}"), ("Sequence number", str(sequence))]
        fields.append(("Data", size(body[icmp.HEADER_BYTES :])))
        info = f"{what} id=0x{ident:04x}, seq={sequence}"
    elif meaning := _meaning(version6, kind, code):
        fields[1] = ("Code", f"{code} ({meaning})")
        info = f"{what} ({meaning})"
    elif version6 and kind in _NEIGHBOUR and len(body) >= 24:
        target = inet_ntop(AF_INET6, body[8:24])
        fields.append(("Target address", anatomy.told(target)))
        info = f"{what} {'for ' if kind == _NEIGHBOUR[0] else ''}{target}"
    if about := icmp.read_error(packet):
        source, destination, protocol, near, far = about.about
        told = PROTOCOLS.get(protocol, str(protocol))
        ports = f" {near} → {far}" if near or far else ""
        ends = f"{anatomy.told(source)} → {anatomy.told(destination)}"
        fields.append(("About", f"{told}{ports}, {ends}"))
        if about.mtu:
            fields.append(("MTU of next hop", str(about.mtu)))
    anatomy.say(name, info)
    title = "Internet Control Message Protocol" + (" v6" if version6 else "")
    anatomy.add(name, f"{title}, {info}", *fields)


def _meaning(version6: bool, kind: int, code: int) -> str:
    if version6:
        return _UNREACHABLE_6.get(code, f"code {code}") if kind == 1 else ""
    if kind == 3:
        return _UNREACHABLE.get(code, f"code {code}")
    return _EXPIRED.get(code, f"code {code}") if kind == 11 else ""
