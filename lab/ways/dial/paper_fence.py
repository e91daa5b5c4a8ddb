"""AT&T's fence on paper: where each packet is counted, by the papers' sentences (S4 3.1) and the model.

Knows no rule of the kernel's fence and no capture; judges nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import inf

from lab.linux import fence
from lab.topology.telephone import Lig
from lab.wire import decode
from lab.wire.decode import ICMP, TCP, UDP, Ends, Packet, reverse

DNS_PORT = 53
PASSING = (fence.LISTED, fence.UTILITY, fence.REPLY)
REMEMBERED_S = 30.0
"""For how long conntrack keeps any flow in silence, whatever it is of: UDP and ICMP have no longer."""
_QUERIES = {8: 0, 13: 14, 15: 16, 17: 18}
"""ICMP's questions, and their answers: echo, timestamp, information, address mask (RFC 792, RFC 950)."""
_TAKEN_UP = (0x10, 0x18, 0x30, 0x38)
"""TCP's flags: ACK, with or without PSH and URG."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What the fence knows of a call."""

    number: int
    address: str
    user: str


class Fence:
    """AT&T's fence on paper; packets are given to it in the order of time."""

    def __init__(self, lig: Lig, own: Collection[str]) -> None:
        self._lig = lig
        self._own = own
        self._contacts: set[tuple[int, Ends]] = set()
        self._known: dict[tuple[int, Ends], float] = {}
        """The contacts that conntrack is sure to know, and when each last carried a packet."""
        self._reset: set[tuple[int, Ends]] = set()

    def expires(self, packet: Packet) -> bool:
        """Whether a packet ends at the gateway, before the fence, because of its age."""
        return packet.ttl <= 1 and packet.destination not in self._own

    def from_caller(self, packet: Packet, call: Caller, at: float = 0.0) -> str:
        """Where a packet of a call is counted; ``at``: when it came, in seconds."""
        counter = self._of_caller(packet, call)
        if counter in PASSING:
            self._contacts.add((call.number, _flow(packet)))
            if _begins(packet) or self._knows((call.number, _flow(packet)), at):
                self._known[call.number, _flow(packet)] = at
            if packet.is_reset:
                self._reset.add((call.number, _flow(packet)))
        return counter

    def _of_caller(self, packet: Packet, call: Caller) -> str:
        if self.expires(packet):
            return ""
        is_dns = packet.protocol in (TCP, UDP) and packet.destination_port == DNS_PORT
        if packet.source != call.address:
            return fence.SPOOFED_SOURCE
        if packet.destination in self._own:
            if is_dns and packet.destination == self._lig.utility:
                return fence.UTILITY
            return fence.OTHER_DNS if is_dns else fence.OTHER
        if packet.destination not in self._lig.listed(call.user):
            return fence.OTHER_DNS if is_dns else fence.UNLISTED
        return fence.LISTED if self._minds_port(packet) else fence.PORT

    def _minds_port(self, packet: Packet) -> bool:
        """Whether the port is right, if the fence is told to look at ports (L-12)."""
        if not self._lig.ports:
            return True
        if packet.protocol == ICMP:
            return ("icmp-echo", 0) in self._lig.ports and packet.payload[:1] == b"\x08"
        name = {TCP: "tcp", UDP: "udp", decode.ESP: "esp"}.get(packet.protocol, "")
        port = packet.destination_port if packet.protocol in (TCP, UDP) else 0
        return (name, port) in self._lig.ports

    def from_internet(
        self, packet: Packet, call: Caller | None, at: float = 0.0, *, heard: bool
    ) -> str:
        """Where a packet from outside is counted; ``heard``: whether the call has received it."""
        # The gateway's kernel drops what claims to be from the gateway itself (RFC 1812 5.3.7).
        if packet.source in self._own or self.expires(packet):
            return ""
        if packet.destination in self._own:
            return fence.OTHER
        if call is not None:
            known = self._is_reply(packet, call.number, at, heard=heard)
            return fence.REPLY if known else fence.UNSOLICITED
        return fence.FREE_ADDRESS if packet.destination in self._lig.ppp.pool else fence.OTHER

    def asked(self, packet: Packet, call: Caller) -> bool:
        """Whether a packet answers something that the call has sent."""
        return (call.number, reverse(_flow(packet))) in self._contacts

    def _knows(self, flow: tuple[int, Ends], at: float) -> bool:
        return at - self._known.get(flow, -inf) <= REMEMBERED_S

    def _is_reply(self, packet: Packet, call: int, at: float, *, heard: bool) -> bool:
        """Whether a server itself answers what this call has sent (L-05).

        The paper says no more. What conntrack does not take for an answer stays outside, and may: a packet
        with a wrong checksum, and an answer to what began no connection, after a reset, or after a long time.
        """
        if packet.protocol == ICMP and packet.payload[:1]:
            kind = packet.payload[0]
            if kind in decode.ICMP_ERRORS:
                about = decode.parse_quoted(packet.payload[8:])
                if about is None or about.destination != packet.source:
                    return False
                flow = call, _flow(about)
                return flow in self._contacts and (
                    heard or (self._knows(flow, at) and packet.is_intact)
                )
            if kind not in _QUERIES.values():
                return False
        flow = call, reverse(_flow(packet))
        sure = self._knows(flow, at) and flow not in self._reset and packet.is_intact
        known = flow in self._contacts and (heard or sure)
        if known:
            self._known[flow] = at
        if packet.is_reset:
            self._reset.add(flow)
        return known


def _begins(packet: Packet) -> bool:
    """Whether conntrack takes a packet for the beginning of a connection, by its checksum and its flags.

    It takes up a connection of which it sees an ACK first; FIN, reset and SYN/ACK begin none.
    """
    if not packet.is_intact:
        return False
    if packet.protocol == TCP:
        return packet.is_bare_syn or packet.tcp_flags & 0x3F in _TAKEN_UP
    if packet.protocol == ICMP:
        return packet.payload[:1] != b"" and packet.payload[0] in _QUERIES
    return packet.protocol in (UDP, decode.ESP)


def _flow(packet: Packet) -> Ends:
    """What conntrack knows a flow by; a question by ICMP has an identifier in the place of ports."""
    kinds = {*_QUERIES, *_QUERIES.values()}
    if packet.protocol == ICMP and packet.payload[:1] and packet.payload[0] in kinds:
        number = int.from_bytes(packet.payload[4:6], "big")
        return packet.source, packet.destination, ICMP, number, number
    return packet.ends
