"""What consoles whose events wait, and their manager, send and hear: conversations, as their links show them.

Knows packets, the ledger and the record, and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.consoles.events import RequestDelivered, RequestFailed, RequestForwarded
from lab.events_manager.events import EventDecided, EventHeld, EventSent
from lab.record.record import Transaction
from lab.topology.held_events import EVENTS_PORT, HeldEvents
from lab.verify.case import Case
from lab.verify.once import once
from lab.ways.consoles.events import ClearRequestTried, InterConsoleTried
from lab.wire.decode import TCP, Frame, Packet

LATER_S = 2.0
"""An event may be told, or an entry made, so long before the wire shows the last packet of it."""


NOTHING_SAID = ("handshake", "no-request")
"""How the ledger calls a connection on which no request began."""


@dataclass(slots=True)
class ConsoleFlow:
    """Packets between two ends, from the first one on."""

    packet: Packet
    """The first."""
    frames: list[Frame] = field(default_factory=list)
    asked: bytes = b""
    """The first bytes of who began it."""
    answered: bytes = b""
    """The first bytes of the other end."""

    @property
    def began(self) -> float:
        return self.frames[0].time

    @property
    def last(self) -> float:
        return self.frames[-1].time

    @property
    def is_tls(self) -> bool:
        """Whether both ends begin with a record of TLS's handshake (RFC 8446 5.1)."""
        return self.asked[:2] == b"\x16\x03" and self.answered[:2] in (b"\x16\x03", b"")

    @property
    def is_heard(self) -> bool:
        """Whether both ends have said something."""
        return bool(self.asked and self.answered)


@once
def flows(case: Case) -> list[ConsoleFlow]:
    """All on the links of the manager and the consoles, in the order of their beginnings."""
    events = case.topology.events
    assert events is not None, "asked of topologies with an Events Manager"
    names = (events.manager, *(each.node for each in events.consoles))
    links = dict.fromkeys(p.segment for n in names for p in case.topology.node(n).interfaces)
    current: dict[object, ConsoleFlow] = {}
    found: list[ConsoleFlow] = []
    for frame, packet in case.packets(*links):
        ends = {(packet.source, packet.source_port), (packet.destination, packet.destination_port)}
        key = (packet.protocol, frozenset(ends))
        flow = current.get(key)
        if flow is None or (packet.is_bare_syn and packet.tcp_sequence != flow.packet.tcp_sequence):
            flow = current[key] = ConsoleFlow(packet)
            found.append(flow)
        flow.frames.append(frame)
        ends_of_first = flow.packet.source, flow.packet.source_port
        if (packet.source, packet.source_port) == ends_of_first:
            flow.asked = flow.asked or packet.payload
        else:
            flow.answered = flow.answered or packet.payload
    return found


def is_inter_console(case: Case, flow: ConsoleFlow) -> bool:
    """Whether one has the other send its own request, or the lab tries the other at TCP 9920 (M-05)."""
    first = flow.packet
    if not case.is_inter_console(first):
        return False
    ends = first.source, first.source_port
    names = tuple(case.console_addresses.get(each) for each in (first.source, first.destination))
    return ends in _tried(case) or any(
        names == (asked.source, asked.console) and asked.time <= flow.began <= _over(case, asked)
        for asked in case.told(RequestForwarded)
    )


@once
def _tried(case: Case) -> set[tuple[str, int]]:
    """The ends of the lab's own trials of call-home servers."""
    found = {(e.address, port) for e in case.told(InterConsoleTried) for port in e.ports}
    return found | {(e.address, e.port) for e in case.told(ClearRequestTried)}


def _over(case: Case, asked: RequestForwarded) -> float:
    """When a console knows what has become of a request."""
    own = (asked.source, asked.console, asked.key)
    ends = [
        *((e.time, (e.source, e.console, e.key)) for e in case.told(RequestDelivered)),
        *((e.time, (e.source, e.console, e.key)) for e in case.told(RequestFailed)),
    ]
    return min((t for t, whose in ends if whose == own and t >= asked.time), default=float("inf"))


def requests(case: Case, events: HeldEvents, addresses: tuple[str, ...]) -> list[ConsoleFlow]:
    """The manager's connections to TCP port 443 of a console."""
    return [
        flow
        for flow in flows(case)
        if flow.packet.protocol == TCP
        and flow.packet.source in events.addresses
        and flow.packet.destination in addresses
        and flow.packet.destination_port == EVENTS_PORT
    ]


def approvals(case: Case, node: str) -> list[tuple[EventDecided, ConsoleFlow | None]]:
    """What a console was told of at the manager, and the connection that carries that."""
    events = case.topology.events
    assert events is not None, "asked of topologies with an Events Manager"
    addresses = next(each.addresses for each in events.consoles if each.node == node)
    asked = requests(case, events, addresses)
    return [
        (told, _carrying(asked, told.own_port, told.time))
        for told in case.told(EventDecided)
        if told.console == node and not told.problem
    ]


def _carrying(asked: list[ConsoleFlow], port: int, time: float) -> ConsoleFlow | None:
    """The connection of the manager's from a port that was at work at a time."""
    own = [each for each in asked if each.packet.source_port == port and each.is_heard]
    return next((each for each in own if each.began <= time <= each.last + LATER_S), None)


def carrying(case: Case, addresses: tuple[str, ...], port: int, time: float) -> ConsoleFlow | None:
    """The same of any request."""
    events = case.topology.events
    assert events is not None, "asked of topologies with an Events Manager"
    return _carrying(requests(case, events, addresses), port, time)


def held(case: Case, node: str) -> list[EventHeld]:
    """A console's events."""
    return [each for each in case.told(EventHeld) if each.source == node]


def outward(case: Case, addresses: tuple[str, ...], since: float) -> list[ConsoleFlow]:
    """What a host began after a time with somebody who is no console, but for lookups of names and tests."""
    events = case.topology.events
    assert events is not None, "asked of topologies with an Events Manager"
    own = {*events.addresses, *(a for each in events.consoles for a in each.addresses)}
    own |= {*case.console_addresses}
    return [
        flow
        for flow in flows(case)
        if flow.began >= since
        and flow.packet.source in addresses
        and flow.packet.destination not in own
        and not case.is_lookup(flow.packet)
        and not case.is_server_test(flow.frames[0], flow.packet)
    ]


def unapproved(case: Case, node: str, addresses: tuple[str, ...]) -> list[ConsoleFlow]:
    """What a host sends out once it has an event, without an approval that the links show.

    What IBM's servers know to be something else is not about an event, nor what the lab's own agent was sent
    for.
    """
    since = min((each.time for each in held(case, node)), default=0.0)
    if not since:
        since = min((each.time for each in case.told(EventHeld)), default=float("inf"))
    sent = {each.event: each.time for each in case.told(EventSent)}
    spans = [
        (flow.began, sent.get(told.event, case.record.ended) + LATER_S)
        for told, flow in (approvals(case, node) if held(case, node) else [])
        if told.approved and flow is not None
    ]
    spans += [(c.started, c.ended + LATER_S) for c in case.record.calls if c.agent == node]
    return [
        flow
        for flow in outward(case, addresses, since)
        if not any(begin <= flow.began <= end for begin, end in spans)
        and not _is_something_else(case, flow)
    ]


def _is_something_else(case: Case, flow: ConsoleFlow) -> bool:
    """Whether IBM's servers noted what came by a connection, and it is no event."""
    events = case.told(EventHeld)
    names, digests = {each.event for each in events}, {each.sha256 for each in events}
    own = [
        each
        for each in case.record.ledger
        if each.peer_port == flow.packet.source_port
        and flow.began <= each.time <= flow.last + LATER_S
        and (each.target or each.kind in NOTHING_SAID)
    ]
    return bool(own) and all(
        each.key not in names and each.body_sha256 not in digests for each in own
    )


def entries(case: Case, event: EventHeld) -> list[Transaction]:
    """What IBM's servers noted of an event: by its identifier, or by its data."""
    return [
        each
        for each in case.record.ledger
        if each.key == event.event or (event.sha256 and each.body_sha256 == event.sha256)
    ]
