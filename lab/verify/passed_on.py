"""Calls that a partition of i5/OS passes on: L2TP in clear with an HMC, and in ESP with a gateway.

Nothing in the ESP says for which HMC a call is. PPP does: a frame that the partition passes on is the same on
both sides, and the first frames of LCP have a number that was drawn at random (RFC 1661 6.4). Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from lab.verify.sightings import Inside
from lab.ways.pass_through import plan as pass_through
from lab.wire import l2tp, ppp
from lab.wire.decode import Frame, Packet
from lab.wire.l2tp import Avp, ControlType, L2tpMessage
from lab.wire.ppp import PppFrame

if TYPE_CHECKING:
    from lab.verify.case import Case


@dataclass(slots=True)
class ClearL2tp:
    """A datagram of L2TP in clear between an HMC and the partition that it borrows from."""

    frame: Frame
    packet: Packet
    client: str
    partition: str
    outgoing: bool
    """From the HMC."""
    l2tp: L2tpMessage
    ppp: PppFrame | None


class L2tpSeen(Protocol):
    """A datagram of L2TP, in clear or in ESP."""

    @property
    def frame(self) -> Frame: ...

    @property
    def outgoing(self) -> bool: ...

    @property
    def l2tp(self) -> L2tpMessage | None: ...

    @property
    def ppp(self) -> PppFrame | None: ...


D = TypeVar("D", bound=L2tpSeen)
Ends = tuple[str, str]
"""Who places calls, and who takes them."""


@dataclass(slots=True, eq=False)
class SeenCall(Generic[D]):
    """An incoming call of L2TP (RFC 2661 5.2.1) on a wire, from ICRQ on."""

    ends: Ends
    items: list[D] = field(default_factory=list)
    """ICRQ, ICRP, ICCN, CDN, and all data, in order."""
    ended: float = inf
    """When it was cleared, or its tunnel closed."""
    near: SeenCall[ClearL2tp] | None = None
    """Of a call in ESP: that of an HMC, whose PPP it carries."""

    @property
    def began(self) -> float:
        return self.items[0].frame.time

    @property
    def client(self) -> str:
        """The HMC whose call is passed on; empty if nothing of the call is on an HMC's wire."""
        return self.near.ends[0] if self.near is not None else ""

    @property
    def is_answered(self) -> bool:
        """Whether ICRP came."""
        kinds = (item.l2tp.control_type for item in self.items if item.l2tp)
        return ControlType.ICRP in kinds

    @property
    def frames(self) -> list[D]:
        """What carries PPP."""
        return [item for item in self.items if item.ppp]


ClearCall = SeenCall[ClearL2tp]
PassedCall = SeenCall[Inside]


def read_clear(case: Case) -> list[ClearL2tp]:
    """What HMCs and their partitions say to each other in clear, in order."""
    found = []
    for way in pass_through.plans(case.topology):
        for borrower in way.borrowers:
            hmc, partition = borrower.address, borrower.partition_address
            for frame, packet in case.packets(borrower.segment):
                if {packet.source, packet.destination} != {hmc, partition}:
                    continue
                message = l2tp.of(packet) if packet.uses_udp(l2tp.PORT) else None
                if message is None or packet.is_fragment:
                    continue
                own = ppp.carried_by(message)
                sent = packet.source == hmc
                seen = ClearL2tp(frame, packet, borrower.client, way.partition, sent, message, own)
                found.append(seen)
    return sorted(found, key=lambda seen: seen.frame.time)


def control(clear: Iterable[ClearL2tp], kind: ControlType, client: str) -> list[ClearL2tp]:
    """A client's control messages of one type in clear, and the answers; retransmissions left out."""
    found: dict[tuple[object, ...], ClearL2tp] = {}
    for seen in clear:
        if seen.client == client and seen.l2tp.control_type == kind:
            # Of several tunnels' SCCRQ this number alone tells one from another.
            own = seen.l2tp.number(Avp.assigned_tunnel_id)
            found.setdefault((seen.outgoing, seen.l2tp.tunnel_id, own, seen.l2tp.sequence), seen)
    return list(found.values())


def clear_calls(clear: Iterable[ClearL2tp]) -> list[ClearCall]:
    """The calls that HMCs asked partitions for by ICRQ, in order."""
    return _read(clear, lambda seen: (seen.client, seen.partition))


def passed_calls(insides: Iterable[Inside], near: Iterable[ClearCall]) -> list[PassedCall]:
    """The calls that partitions placed in their ESP, in order; each with the HMC's own, if there is one."""
    near = list(near)
    lenders = {call.ends[1] for call in near}
    found = _read((i for i in insides if i.end in lenders), lambda item: (item.end, item.gateway))
    owners: dict[tuple[bool, int, bytes], list[ClearCall]] = {}
    for call in near:
        for item in call.frames:
            owners.setdefault(mark(item), []).append(call)
    for passed in found:
        passed.near = _owner(passed, owners)
        for inside in passed.items if passed.client else ():
            inside.client = passed.client
    return found


def _owner(
    call: PassedCall, owners: Mapping[tuple[bool, int, bytes], list[ClearCall]]
) -> ClearCall | None:
    for item in call.frames:
        found = {id(each): each for each in owners.get(mark(item), ())}
        if len(found) == 1:
            return next(iter(found.values()))
    return None


def mark(item: L2tpSeen) -> tuple[bool, int, bytes]:
    """A frame's direction and contents: of all that is drawn at random in PPP, the same on both sides."""
    assert item.ppp is not None, "it carries PPP"
    return item.outgoing, item.ppp.protocol, item.ppp.body


# Which call a datagram is of.


def _read(items: Iterable[D], ends_of: Callable[[D], Ends]) -> list[SeenCall[D]]:
    readers: dict[Ends, _TunnelReader[D]] = {}
    for item in items:
        if item.l2tp is not None:
            ends = ends_of(item)
            readers.setdefault(ends, _TunnelReader(ends)).take(item, item.l2tp)
    calls = [call for reader in readers.values() for call in reader.calls]
    return sorted(calls, key=lambda call: call.began)


class _TunnelReader(Generic[D]):
    """The tunnels and calls between two ends, as one message after the other tells."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._tunnels: dict[int, int] = {}
        """The server's number to the caller's."""
        self._sessions: dict[tuple[int, int], int] = {}
        """The same of sessions, by the caller's tunnel and the server's number."""
        self._open: dict[tuple[int, int], SeenCall[D]] = {}
        """By the caller's own numbers."""
        self.calls: list[SeenCall[D]] = []

    def take(self, item: D, message: L2tpMessage) -> None:
        kind, assigned = message.control_type, message.number(Avp.assigned_session_id)
        if kind == ControlType.SCCRP and not item.outgoing:
            self._tunnels[message.number(Avp.assigned_tunnel_id)] = message.tunnel_id
        tunnel = self._tunnels.get(message.tunnel_id, 0) if item.outgoing else message.tunnel_id
        if kind == ControlType.StopCCN:
            self._end_all(tunnel, item.frame.time)
        if kind == ControlType.ICRQ and item.outgoing:
            self._begin(tunnel, assigned)
        if kind == ControlType.ICRP and not item.outgoing:
            self._sessions[tunnel, assigned] = message.session_id
        own = message.session_id
        if item.outgoing:
            known = self._sessions.get((tunnel, message.session_id), 0)
            own = assigned if message.control and assigned else known
        call = self._open.get((tunnel, own))
        if call is not None:
            call.items.append(item)
            if kind == ControlType.CDN:
                call.ended = min(call.ended, item.frame.time)

    def _begin(self, tunnel: int, session: int) -> None:
        before = self._open.get((tunnel, session))
        if before is None or before.ended < inf:
            call = self._open[tunnel, session] = SeenCall[D](self._ends)
            self.calls.append(call)

    def _end_all(self, tunnel: int, time: float) -> None:
        for (own, _), call in self._open.items():
            if own == tunnel:
                call.ended = min(call.ended, time)
