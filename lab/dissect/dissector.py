"""Packets taken apart, layer by layer: the order in which the readers of each protocol are asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lab.dissect import ike, link, lookups, network, streams, transport, tunnels
from lab.dissect.anatomy import Anatomy, Dissected, size
from lab.dissect.naming import ends_of
from lab.dissect.transport import Talks
from lab.dissect.unsealer import Unsealer
from lab.wire import arp, decode, dns, esp, isakmp, l2tp
from lab.wire.calls import Carried
from lab.wire.decode import (
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Frame,
    Packet,
)

_MOST_LAYERS = 12
"""Of IP, one in another: more nobody sends."""
_CODES = {1: "Format error", 2: "Server failure", 3: "No such name", 5: "Refused"}


def dissect(
    frames: Iterable[Frame], opened: Unsealer | None = None, names: Mapping[str, str] | None = None
) -> Iterator[Dissected]:
    """The packets of captures, in the order given.

    ``opened`` opens ESP, and without it ESP stays closed; ``names`` has the node of each address.
    """
    dissector = Dissector(opened, names)
    return map(dissector.frame, frames)


def dissect_calls(
    carried: Iterable[Carried],
    opened: Unsealer | None = None,
    names: Mapping[str, str] | None = None,
) -> Iterator[Dissected]:
    """What telephone calls carried (``wire/pstn.pcapng``), in the order given."""
    dissector = Dissector(opened, names)
    return map(dissector.carried, carried)


class Dissector:
    """Remembers the TCP connections of what it has seen."""

    def __init__(
        self, opened: Unsealer | None = None, names: Mapping[str, str] | None = None
    ) -> None:
        self._unseal = opened or Unsealer({})
        self._names = names or {}
        self._talks = Talks()

    def frame(self, frame: Frame) -> Dissected:
        anatomy = Anatomy(frame.segment, self._names, self._packet, len(frame.data))
        link.ethernet(anatomy, frame)
        packet = frame.ip
        if packet is None and frame.ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            # The readers that judge leave out what no node takes, and what is the link's own business.
            packet = _any_packet(frame)
        if packet is not None:
            self._packet(anatomy, packet)
        elif frame.ethertype == arp.ETHERTYPE:
            link.arp_message(anatomy, frame)
        return _done(anatomy, frame)

    def carried(self, item: Carried) -> Dissected:
        place = f"call {item.call}"
        anatomy = Anatomy(place, self._names, self._packet, len(item.frame.data))
        caller, called = ends_of(item.ends, self._names)
        ends = (caller, called) if item.outgoing else (called, caller)
        anatomy.source, anatomy.destination = ends
        call = f"{place} of {item.ends}"
        if item.fault is not None:
            anatomy.say("line", f"{size(item.frame.data)}: {item.fault.value}")
            anatomy.add("Line", f"Telephone line, {call}", ("No frame", item.fault.value))
        else:
            anatomy.add(
                "Line",
                f"Telephone line, {call}",
                ("From", "the caller" if item.outgoing else "the called"),
            )
            anatomy.say("PPP", f"cut short: {size(item.frame.data)}")
            if item.ppp is not None:
                tunnels.point_to_point(anatomy, item.ppp, item.data)
        return _done(anatomy, item.frame)

    def _packet(self, anatomy: Anatomy, packet: Packet) -> None:
        depth = len(anatomy.layers)
        network.internet(anatomy, packet)
        if packet.is_fragment:
            network.fragment(anatomy, packet)
        elif depth > _MOST_LAYERS:
            return
        else:
            self._body(anatomy, packet, depth)

    def _body(self, anatomy: Anatomy, packet: Packet, depth: int) -> None:
        """What follows the header of IP; of transport mode of ESP, what stands without one."""
        if packet.protocol == TCP and len(packet.body) >= 20:
            talk = self._talks.of((anatomy.place, depth), packet)
            new = transport.tcp(anatomy, packet, talk)
            side = talk.sides[packet.source, packet.source_port]
            if packet.payload:
                streams.stream(anatomy, talk, side, new)
        elif packet.protocol == UDP and len(packet.body) >= 8:
            transport.udp(anatomy, packet)
            self._datagram(anatomy, packet)
        elif packet.protocol in (ICMP, ICMPV6):
            network.control(anatomy, packet)
        elif sealed := esp.sealed(packet):
            self._esp(anatomy, sealed, depth)

    def _datagram(self, anatomy: Anatomy, packet: Packet) -> None:
        data = packet.payload
        if packet.uses_udp(isakmp.NAT_T_PORT):
            title = "UDP Encapsulation of IPsec Packets"
            if data == isakmp.KEEPALIVE:
                anatomy.say("UDPENCAP", "NAT-keepalive")
                anatomy.add("UDPENCAP", title, ("NAT-keepalive", "0xff"))
                return
            marker = data[:4] == isakmp.NON_ESP_MARKER
            anatomy.add("UDPENCAP", title, *((("Non-ESP marker", "0x00000000"),) if marker else ()))
        if message := isakmp.message(packet):
            ike.isakmp(anatomy, message)
        elif sealed := esp.sealed(packet):
            self._esp(anatomy, sealed, len(anatomy.layers))
        elif packet.uses_udp(l2tp.PORT):
            tunnels.layer_2_tunnel(anatomy, data)
        elif packet.uses_udp(dns.PORT) and (lookup := lookups.read(packet)):
            _dns(anatomy, lookup)

    def _esp(self, anatomy: Anatomy, sealed: esp.Sealed, depth: int) -> None:
        opened = self._unseal(sealed)
        tunnels.esp(anatomy, sealed, opened)
        if opened.inner is None:
            return
        if tunnels.is_tunnel(opened):
            self._packet(anatomy, opened.inner)
        elif depth <= _MOST_LAYERS:
            self._body(anatomy, opened.inner, depth)


def _done(anatomy: Anatomy, frame: Frame) -> Dissected:
    return Dissected(
        frame.segment,
        frame.number,
        frame.time,
        anatomy.source,
        anatomy.destination,
        anatomy.protocol,
        anatomy.info,
        tuple(anatomy.layers),
    )


def _any_packet(frame: Frame) -> Packet | None:
    data = frame.data[link.HEADER :]
    if frame.ethertype == ETHERTYPE_IPV6:
        return decode.parse_ipv6(data)
    return decode.parse_quoted(data)


def _dns(anatomy: Anatomy, message: dns.DnsMessage) -> None:
    number = f"0x{message.number:04x}"
    told = [f"Standard query{' response' if message.is_answer else ''} {number}"]
    fields = [("Transaction ID", number), ("Name", message.name), ("Type", message.kind)]
    if message.is_answer:
        meaning = _CODES.get(message.code, "No error" if message.code == 0 else "unknown")
        fields.append(("Reply code", f"{meaning} ({message.code})"))
        fields += [("Address", anatomy.told(address)) for address in message.addresses]
        if message.code:
            told.append(meaning)
    told += [message.kind, message.name, *message.addresses]
    anatomy.say("DNS", " ".join(told))
    kind = "response" if message.is_answer else "query"
    anatomy.add("DNS", f"Domain Name System, {kind}", *fields)
