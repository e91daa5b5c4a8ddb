"""Packets that open, close or refuse something, each at the first wire where it was seen. Judges nothing.

A packet is known again on the next wire by what NAT leaves as it is: TCP's sequence number, all of ISAKMP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from lab.report import opening_words
from lab.topology.model import Topology
from lab.wire import icmp, isakmp, l2tp, ppp
from lab.wire.decode import ICMP, ICMPV6, TCP, UDP, Frame, Packet
from lab.wire.isakmp import ExchangeType

if TYPE_CHECKING:
    from lab.verify.case import Case

SAME_S = 5.0
"""For so long after its first sighting a packet may come to another wire."""

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_INFORMATIONAL = (5, 37)
"""Of IKE version 1 and 2 (RFC 2408 3.1, RFC 7296 3.1)."""
_STATUS = 16384
"""Notify types from here on say how things are, those below what is wrong (RFC 2408 3.14.1)."""
_EXCHANGES = {
    ExchangeType.main_mode: "main mode",
    ExchangeType.aggressive: "aggressive mode",
    ExchangeType.quick_mode: "quick mode",
    ExchangeType.ike_sa_init: "IKE_SA_INIT",
    ExchangeType.ike_auth: "IKE_AUTH",
    ExchangeType.create_child_sa: "CREATE_CHILD_SA",
    5: "informational",
    37: "INFORMATIONAL",
}
_CODES = {
    1: "Configure-Request",
    2: "Configure-Ack",
    3: "Configure-Nak",
    4: "Configure-Reject",
    5: "Terminate-Request",
    6: "Terminate-Ack",
    7: "Code-Reject",
    8: "Protocol-Reject",
}
_CONTROL = {
    ppp.LCP: ("LCP", _CODES),
    ppp.IPCP: ("IPCP", _CODES),
    ppp.PAP: ("PAP", {1: "Authenticate-Request", 2: "Authenticate-Ack", 3: "Authenticate-Nak"}),
    ppp.CHAP: ("CHAP", {1: "Challenge", 2: "Response", 3: "Success", 4: "Failure"}),
}
_IDLE = (0, l2tp.ControlType.HELLO)


@dataclass(slots=True)
class Crossing:
    """One such packet."""

    time: float
    source: str
    """The node that put it on the wire; of a call the caller's line and the called one."""
    text: str
    protocol: str
    segment: str
    frame: int
    also: list[tuple[str, int]]
    """Wires where it was seen later, with the frame's number."""
    message: str = ""
    """What it is, without who says it to whom."""
    ends: tuple[str, str] = ("", "")
    """Who says it to whom, as ``Addresses.named`` has it; in a call the caller and the called one."""


class Addresses:
    """Who has which address, by the model and by what PPP gave."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.gateways = case.gateways

    def named(self, address: str, port: int = 0) -> str:
        """``sdc 129.42.160.48:443``; the bare address of nobody who is known."""
        at = f"[{address}]" if port and ":" in address else address
        end = f"{at}:{port}" if port else at
        name = self._nodes.get(address)
        return f"{name} {end}" if name else end

    def ends(self, packet: Packet) -> tuple[str, str]:
        return (
            self.named(packet.source, packet.source_port),
            self.named(packet.destination, packet.destination_port),
        )

    @cached_property
    def _nodes(self) -> dict[str, str]:
        found = {}
        for node in self._case.topology.nodes:
            for interface in node.interfaces:
                found.update(dict.fromkeys(interface.ips, node.name))
            found.update(dict.fromkeys(node.service_addresses, node.name))
        for session in self._case.record.ppp:
            if session.local_ip:
                found.setdefault(session.local_ip, session.client)
        return found


def senders(topology: Topology) -> dict[bytes, str]:
    """Hardware address to node."""
    return {
        bytes.fromhex(interface.mac.replace(":", "")): node.name
        for node in topology.nodes
        for interface in node.interfaces
    }


def find(case: Case) -> list[Crossing]:
    """All of them in the captures of a run, in order of time."""
    found = [*_on_wires(case), *_in_esp(case), *_on_lines(case)]
    return sorted(found, key=lambda each: each.time)


def _on_wires(case: Case) -> Iterator[Crossing]:
    addresses = Addresses(case)
    macs = senders(case.topology)
    open_: dict[object, Crossing] = {}
    once: set[object] = set()
    for frame in case.frames(*case.wire):
        packet = frame.ip
        if packet is None:
            continue
        told = _read(case, packet, addresses)
        if told is None:
            continue
        before = open_.get(told.key)
        if before is not None and _goes_on(before, frame):
            before.also.append((frame.segment, frame.number))
            continue
        if told.once is not None:
            if told.once in once:
                continue
            once.add(told.once)
        source = macs.get(frame.source_mac, "") or packet.source
        open_[told.key] = crossing = told.at(frame, source)
        yield crossing


def _read(case: Case, packet: Packet | None, addresses: Addresses) -> _Told | None:
    """What an IP packet has to tell; nothing if it has none, or if the lab tries something by it."""
    if packet is None or packet.protocol not in _READERS or _is_of_lab(case, packet):
        return None
    return _READERS[packet.protocol](packet, addresses)


def _is_of_lab(case: Case, packet: Packet) -> bool:
    """Whether the lab tries AT&T's fence or the servers' TLS by it: the events of the trial tell that."""
    tried = case.tls_tried
    near, far = (packet.source, packet.source_port), (packet.destination, packet.destination_port)
    return near in tried or far in tried or case.is_trial(packet)


def _goes_on(before: Crossing, frame: Frame) -> bool:
    """Whether a frame has what was seen before, on its way over one more wire: no retransmission."""
    seen = {before.segment, *(segment for segment, _ in before.also)}
    return frame.segment not in seen and frame.time - before.time <= SAME_S


class _Told(NamedTuple):
    """What a packet tells."""

    key: object
    """What is the same on every wire."""
    protocol: str
    message: str
    ends: tuple[str, str]
    once: object = None
    """What is told once only; None: each time."""

    def at(self, frame: Frame, source: str) -> Crossing:
        text = f"{self.message} {' -> '.join(self.ends)}"
        return Crossing(
            frame.time, source, text, self.protocol, frame.segment, frame.number, [],
            self.message, self.ends,
        )  # fmt: skip


def _tcp(packet: Packet, addresses: Addresses) -> _Told | None:
    flags = packet.tcp_flags & (_SYN | _FIN | _RST)
    if packet.is_fragment:
        return None
    if packet.payload and (words := opening_words.read(packet.payload)):
        key: object = (TCP, packet.tcp_sequence, len(packet.payload), words)
        return _Told(key, words.protocol, words.message, addresses.ends(packet))
    if not flags:
        return None
    if flags & _SYN:
        word = "SYN-ACK" if packet.tcp_flags & _ACK else "SYN"
    else:
        word = "RST" if flags & _RST else "FIN"
    port = packet.source_port if packet.is_syn_ack else packet.destination_port
    key = (TCP, packet.tcp_flags, packet.tcp_sequence, port)
    return _Told(key, "TCP", word, addresses.ends(packet))


def _udp(packet: Packet, addresses: Addresses) -> _Told | None:
    message = isakmp.message(packet)
    if message is None:
        return None
    name = _EXCHANGES.get(message.exchange, f"exchange {message.exchange}")
    words = f"IKEv{message.version >> 4} {name}"
    if errors := [str(number) for number in message.notifies if number < _STATUS]:
        words += f", notify {', '.join(errors)}"
    once: object = None
    if message.exchange in _INFORMATIONAL and not message.payloads:
        # Encrypted: whether it asks if somebody lives or deletes, its length alone may tell.
        there = packet.destination in addresses.gateways
        once = (message.initiator_cookie, message.exchange, len(message.body), there)
    return _Told(message.key, "ISAKMP", words, addresses.ends(packet), once)


def _icmp(packet: Packet, addresses: Addresses) -> _Told | None:
    error = icmp.read_error(packet)
    if error is None:
        return None
    _, about, protocol, _, port = error.about
    words = f"of a packet to {addresses.named(about, port)}: {error.reason},"
    key = (ICMP, packet.source, protocol, about, port, packet.body[-8:])
    return _Told(key, "ICMP", words, addresses.ends(packet))


_READERS: dict[int, Callable[[Packet, Addresses], _Told | None]] = {
    TCP: _tcp,
    UDP: _udp,
    ICMP: _icmp,
    ICMPV6: _icmp,
}


def _in_esp(case: Case) -> Iterator[Crossing]:
    """What ESP carries, on the wire where it is opened."""
    addresses = Addresses(case)
    for item in case.all_insides:
        near, far = item.client or item.end or item.packet.source, item.gateway
        ends = (near, far) if item.outgoing else (far, near)
        words, protocol = "", "L2TP"
        if item.l2tp and item.l2tp.control:
            words = _l2tp(item.l2tp)
        elif item.ppp:
            words, protocol = _ppp(item.ppp)
        told = _Told(None, protocol, words, ends) if words else _read(case, item.data, addresses)
        if told is not None:
            yield told.at(item.frame, ends[0])


def _on_lines(case: Case) -> Iterator[Crossing]:
    """What telephone calls carried."""
    addresses = Addresses(case)
    for item in case.all_carried:
        words, protocol = _ppp(item.ppp) if item.ppp else ("", "")
        both = ("caller", "called") if item.outgoing else ("called", "caller")
        told = _Told(None, protocol, words, both) if words else _read(case, item.data, addresses)
        if told is not None:
            yield told.at(item.frame, item.ends)


def _l2tp(message: l2tp.L2tpMessage) -> str:
    kind = message.control_type
    if kind in _IDLE:
        return ""
    try:
        name = l2tp.ControlType(kind).name
    except ValueError:
        name = f"message {kind}"
    return f"{name} ({message.result})" if message.result else name


def _ppp(frame: ppp.PppFrame) -> tuple[str, str]:
    """What a PPP frame negotiates, and by which protocol; empty of data and of echoes."""
    name, codes = _CONTROL.get(frame.protocol, ("", {}))
    code = codes.get(frame.code, "")
    if not code:
        return "", ""
    words = f"{name} {code}"
    if frame.protocol == ppp.LCP and frame.code == ppp.Code.configure_request:
        asked = {ppp.PAP: "PAP", ppp.CHAP: "CHAP"}.get(frame.authentication[0], "")
        words += f", wants {asked}" if asked else ""
    if frame.protocol == ppp.IPCP and frame.ip_address:
        words += f", {frame.ip_address}"
    return words, f"PPP {name}"
