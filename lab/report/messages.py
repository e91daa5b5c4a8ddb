"""Messages of a run: each packet once, with every wire on which it was seen, out of ESP, L2TP and PPP.

A packet is known again by what no NAT changes. Reads a ``Case``; judges nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge

from lab.topology.model import Topology
from lab.verify.case import Case
from lab.verify.premises import mac
from lab.wire import esp, l2tp, ppp
from lab.wire.decode import Frame, Packet
from lab.wire.l2tp import L2tpMessage
from lab.wire.ppp import PppFrame

TOGETHER_S = 10.0
"""A packet that is seen so much later on another wire is another packet that happens to be alike."""
UNDER_WAY_S = 1.0
"""So shortly before the end of all captures nothing says whether a packet would have come further."""
LINES = "pstn"
"""The segment that telephone calls are told by, as their capture is called."""


@dataclass(slots=True)
class WireHop:
    """A message on one wire."""

    segment: str
    number: int
    time: float
    sender: str
    """The node that put it there; empty if the model has none with that hardware address."""
    receiver: str
    """For whom the frame is; empty of a broadcast."""
    inside: tuple[str, ...] = ()
    """In what the message is hidden there: ``ESP``, ``L2TP``, ``PPP``."""


@dataclass(slots=True)
class SeenMessage:
    """A packet, or what is in it, from its origin as far as it was seen."""

    hops: list[WireHop]
    frame: Frame
    """On the first wire."""
    packet: Packet | None
    """The innermost IP packet; None of PPP on a telephone line that carries none."""
    l2tp: L2tpMessage | None
    """A control message of L2TP."""
    ppp: PppFrame | None
    """A PPP frame that is no IP packet."""
    origin: str = ""
    target: str = ""
    """For whom it is, or the node where it ended if its address says nothing."""
    lost_at: str = ""
    """The node that did not pass it on; empty if it came to its target."""

    @property
    def time(self) -> float:
        return self.hops[0].time

    @property
    def passes(self) -> list[str]:
        """The nodes between origin and the last one that it came to, in order."""
        return [hop.receiver for hop in self.hops[:-1] if hop.receiver]


@dataclass(slots=True)
class _SeenOnce:
    """One packet on one wire."""

    hop: WireHop
    frame: Frame
    packet: Packet | None
    ppp: PppFrame | None


def read(case: Case) -> list[SeenMessage]:
    """Every IP packet and PPP frame of a run, in the order of their first appearance."""
    found: list[SeenMessage] = []
    alike: dict[object, list[SeenMessage]] = {}
    unwrapped = _Unwrapped(case)
    for seen in merge(*_wires(case), key=lambda each: each.hop.time):
        message = unwrapped.message(seen)
        known = alike.setdefault(_mark(message), [])
        # Of several alike on their way the first one is the first to come.
        whose = next((each for each in known if _continues(each, seen.hop)), None)
        if whose is not None:
            whose.hops.append(seen.hop)
            _put_in_order(whose)
        else:
            known[:] = [each for each in known if seen.hop.time - each.time < TOGETHER_S]
            known.append(message)
            found.append(message)
    places = _places(case.topology)
    end = max((hop.time for message in found for hop in message.hops), default=0.0)
    for message in found:
        _find_ends(message, places, end)
    return found


def _wires(case: Case) -> Iterator[Iterable[_SeenOnce]]:
    nodes = {
        mac(interface): node.name for node in case.topology.nodes for interface in node.interfaces
    }
    for segment, frames in case.wire.items():
        found = [
            _SeenOnce(
                WireHop(
                    segment,
                    frame.number,
                    frame.time,
                    nodes.get(frame.source_mac, ""),
                    nodes.get(frame.destination_mac, ""),
                ),
                frame,
                frame.ip,
                None,
            )
            for frame in frames
            if frame.ip is not None
        ]
        yield sorted(found, key=lambda each: each.hop.time)
    yield _on_lines(case)


def _on_lines(case: Case) -> list[_SeenOnce]:
    telephone = case.topology.telephone
    if telephone is None:
        return []
    lines = telephone.lines
    pairs = {f"{a.name}-{b.name}": (a.node, b.node) for a in lines for b in lines}
    found = []
    for item in case.all_carried:
        caller, called = pairs.get(item.ends, ("", ""))
        ends = (caller, called) if item.outgoing else (called, caller)
        hop = WireHop(LINES, item.frame.number, item.frame.time, *ends)
        if item.ppp is not None:
            found.append(_SeenOnce(hop, item.frame, item.data, item.ppp))
    return sorted(found, key=lambda each: each.hop.time)


class _Unwrapped:
    """Opens ESP, L2TP and PPP."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def message(self, seen: _SeenOnce) -> SeenMessage:
        if seen.packet is None:
            return SeenMessage([seen.hop], seen.frame, None, None, seen.ppp)
        datagram, frame = None, None
        packet, inside = seen.packet, ("PPP",) if seen.ppp is not None else ()
        while True:
            if (inner := self._from_esp(packet)) is not None:
                packet, inside = inner, (*inside, "ESP")
                continue
            if not packet.uses_udp(l2tp.PORT) or packet.is_fragment:
                break
            datagram = l2tp.of(packet)
            frame = ppp.carried_by(datagram) if datagram else None
            if frame is None:
                break
            inside = (*inside, "L2TP")
            carried = frame.ip
            if carried is None:
                break
            packet, inside, datagram, frame = carried, (*inside, "PPP"), None, None
        seen.hop.inside = inside
        control = datagram if datagram and datagram.control else None
        return SeenMessage([seen.hop], seen.frame, packet, control, frame)

    def _from_esp(self, packet: Packet) -> Packet | None:
        sealed = esp.sealed(packet)
        return self._case.opened(sealed).inner if sealed is not None else None


def _mark(message: SeenMessage) -> object:
    """The same for a message on every wire; of what it carries a digest, as there may be much of it."""
    if message.ppp is not None:
        return message.ppp.protocol, _digest(message.ppp.body)
    packet = message.packet
    if packet is None:
        return id(message)
    own = packet.ends if packet.version == 6 else ()
    return (
        packet.protocol,
        packet.identification,
        packet.fragment_offset,
        packet.tcp_sequence,
        packet.tcp_flags,
        _digest(packet.payload),
        own,
    )


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _continues(message: SeenMessage, hop: WireHop) -> bool:
    """Whether a message that is seen again is on its way, and not sent again."""
    last = message.hops[-1]
    if hop.time - last.time > TOGETHER_S:
        return False
    if hop.sender == last.receiver != "":
        return True
    # At the same moment wires may be read in any order.
    return hop.time == last.time and all(known.segment != hop.segment for known in message.hops)


def _put_in_order(message: SeenMessage) -> None:
    """Hops at the same moment follow each other from node to node."""
    hops = message.hops
    if hops[-1].time > hops[-2].time:
        return
    receivers = {hop.receiver for hop in hops}
    ordered = [next((hop for hop in hops if hop.sender not in receivers), hops[0])]
    left = [hop for hop in hops if hop is not ordered[0]]
    while left:
        following = next((hop for hop in left if hop.sender == ordered[-1].receiver), left[0])
        ordered.append(following)
        left.remove(following)
    message.hops = ordered


def _places(topology: Topology) -> dict[str, str]:
    """Address to node; an address that only answers later is there, too."""
    return {
        address: node.name
        for node in topology.nodes
        for address in (
            *(ip for interface in node.interfaces for ip in interface.ips),
            *node.service_addresses,
            *node.unlisted_addresses,
        )
    }


def _find_ends(message: SeenMessage, places: dict[str, str], end: float) -> None:
    """Who says it to whom; what was under way when the captures ended is not lost."""
    first, last = message.hops[0], message.hops[-1]
    message.origin = first.sender
    message.target = last.receiver
    outer = message.frame.ip if message.frame.ip is not None else message.packet
    if outer is None:
        return
    packet = message.packet or outer
    message.origin = places.get(packet.source, message.origin)
    named = places.get(packet.destination) or places.get(outer.destination, "")
    if not named or named == message.target:
        return
    # Behind a NAT an answer is for the NAT's address at first, and for the host's own in the end.
    if named in message.passes or message.target in (message.origin, ""):
        return
    if last.time < end - UNDER_WAY_S:
        message.lost_at, message.target = message.target, named
