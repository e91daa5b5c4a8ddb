"""AT&T's fence on paper: where each packet is counted, by the papers' sentences (S4 3.1) and the model.

Knows no rule of the kernel's fence and no capture; judges nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lab.linux import fence
from lab.topology.telephone import Lig
from lab.wire import decode
from lab.wire.decode import ICMP, TCP, UDP, Ends, Packet, reverse

DNS_PORT = 53
PASSING = (fence.LISTED, fence.UTILITY, fence.REPLY)
_ECHO_REPLY = 0
_ICMP_ERRORS = (3, 11, 12)
"""RFC 792: destination unreachable, time exceeded, parameter problem."""


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
        self._reset: set[tuple[int, Ends]] = set()

    def expires(self, packet: Packet) -> bool:
        """Whether a packet ends at the gateway, before the fence, because of its age."""
        return packet.ttl <= 1 and packet.destination not in self._own

    def from_caller(self, packet: Packet, call: Caller) -> str:
        """Where a packet of a call is counted."""
        counter = self._of_caller(packet, call)
        if counter in PASSING:
            self._contacts.add((call.number, _flow(packet)))
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

    def from_internet(self, packet: Packet, call: Caller | None, *, heard: bool) -> str:
        """Where a packet from outside is counted; ``heard``: whether the call has received it."""
        # The gateway's kernel drops what claims to be from the gateway itself (RFC 1812 5.3.7).
        if packet.source in self._own or self.expires(packet):
            return ""
        if packet.destination in self._own:
            return fence.OTHER
        if call is not None:
            known = self._is_reply(packet, call.number, heard=heard)
            return fence.REPLY if known else fence.UNSOLICITED
        return fence.FREE_ADDRESS if packet.destination in self._lig.ppp.pool else fence.OTHER

    def asked(self, packet: Packet, call: Caller) -> bool:
        """Whether a packet answers something that the call has sent."""
        return (call.number, reverse(_flow(packet))) in self._contacts

    def _is_reply(self, packet: Packet, call: int, *, heard: bool) -> bool:
        """Whether a server itself answers what this call has sent (L-05)."""
        if packet.protocol == ICMP and packet.payload[:1]:
            kind = packet.payload[0]
            if kind in _ICMP_ERRORS:
                about = decode.parse_ipv4(packet.payload[8:])
                mine = about is not None and about.destination == packet.source
                return mine and about is not None and (call, _flow(about)) in self._contacts
            if kind != _ECHO_REPLY:
                return False
        flow = call, reverse(_flow(packet))
        # After a reset conntrack may know the connection no more; then the answer does not pass.
        known = flow in self._contacts and (heard or flow not in self._reset)
        if packet.is_reset:
            self._reset.add(flow)
        return known


def _flow(packet: Packet) -> Ends:
    """What conntrack knows a flow by; an echo has an identifier in the place of ports."""
    if packet.protocol == ICMP and packet.payload[:1] in (b"\x00", b"\x08"):
        number = int.from_bytes(packet.payload[4:6], "big")
        return packet.source, packet.destination, ICMP, number, number
    return packet.ends
