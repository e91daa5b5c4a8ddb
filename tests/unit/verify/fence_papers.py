"""AT&T's fence by the papers' sentences (S4 3.1), for plays: written by hand, with nothing of the judge."""

from __future__ import annotations

from collections.abc import Collection

from scapy.layers.inet import ICMP, IP, IPerror

from lab.topology.telephone import Lig

SERVERS = {"129.42.160.48", "207.25.252.200"}
"""On every list (S4 5.1)."""
VPN_GATEWAYS = {"129.42.160.16", "207.25.252.196"}
LISTED = {
    "usibm.hmc01": {*SERVERS, *VPN_GATEWAYS, "129.42.160.49", "207.25.252.204"},
    "usibm.hmc02": {*SERVERS, *VPN_GATEWAYS, "129.42.160.50", "207.25.252.205"},
}
NAME_SERVER, DNS = "203.0.113.53", 53
ECHO_REPLY = 0
PASSING = "L-02-listed", "L-03-utility", "L-05-reply"


class Papers:
    """Says of each packet which counter has it; empty for one that does not come as far as the fence."""

    def __init__(self, lig: Lig, own: Collection[str]) -> None:
        self.own = {*own, lig.ppp.local_ip, NAME_SERVER}
        self.pool, self.ports = lig.ppp.pool, lig.ports
        self.said: set[tuple[object, ...]] = set()
        """To whom each call has spoken, and how."""

    def ends_here(self, packet: IP) -> bool:
        return packet.ttl <= 1 and packet.dst not in self.own

    def from_caller(self, packet: IP, call: int, address: str, user: str) -> str:
        counter = "" if self.ends_here(packet) else self._from_caller(packet, address, user)
        if counter in PASSING:
            self.said.add((call, *_service(packet)))
        return counter

    def _from_caller(self, packet: IP, address: str, user: str) -> str:
        _, protocol, _, port = _service(packet)
        if packet.src != address:
            return "L-01-spoofed-source"
        if (packet.dst, port) == (NAME_SERVER, DNS):
            return "L-03-utility"
        if port == DNS and packet.dst not in LISTED[user]:
            return "L-03-dns"
        if packet.dst in self.own:
            return "L-07-other"
        if packet.dst not in LISTED[user]:
            return "L-02-unlisted"
        named = {6: "tcp", 17: "udp"}.get(protocol, "")
        return "L-12-port" if self.ports and (named, port) not in self.ports else "L-02-listed"

    def from_internet(self, packet: IP, call: int) -> str:
        """``call``: to which the gateway routes it; 0 if to none."""
        if self.ends_here(packet) or packet.src in self.own:
            return ""
        if packet.dst in self.own:
            return "L-07-other"
        if call:
            return "L-05-reply" if self._answers(packet, call) else "L-05-unsolicited"
        return "L-04-free-address" if packet.dst in self.pool else "L-07-other"

    def _answers(self, packet: IP, call: int) -> bool:
        if ICMP not in packet:
            _, protocol, near, far = _service(packet)
            return (call, packet.src, protocol, far, near) in self.said
        if IPerror in packet:
            about = packet[IPerror]
            return about.dst == packet.src and (call, *_service(about)) in self.said
        return packet[ICMP].type == ECHO_REPLY and (call, packet.src, 1, 0, 0) in self.said


def _service(packet: IP) -> tuple[str, int, int, int]:
    """Who is spoken to, by which protocol, from which port and to which."""
    ports = (packet.sport, packet.dport) if packet.proto in (6, 17) else (0, 0)
    return packet.dst, packet.proto, *ports
