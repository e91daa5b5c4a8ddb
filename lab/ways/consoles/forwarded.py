"""The finding on requests that a call-home server sends for another console: M-05."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from lab import ways
from lab.agent.heartbeat import system_of
from lab.consoles.events import RequestDelivered, RequestFailed, RequestForwarded
from lab.names import all_of, count
from lab.record.record import Transaction
from lab.topology.consoles import INTER_CONSOLE_PORT as PORT
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.once import once
from lab.ways.consoles import connections
from lab.ways.consoles.connections import InterConsoleConnection
from lab.wire.decode import Frame

KIND = "consoles"
NO_REQUEST = "no console had a request sent by another one"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedRequest:
    """What became of one request of an agent beside a console that is no call-home server."""

    source: str
    """The console."""
    key: str
    forwarded: list[RequestForwarded] = field(default_factory=list)
    """In order, one for each server that was asked."""
    failed: list[RequestFailed] = field(default_factory=list)
    delivered: list[RequestDelivered] = field(default_factory=list)

    @property
    def began(self) -> float:
        return self.forwarded[0].time

    @property
    def ended(self) -> float:
        return max((e.time for e in (*self.failed, *self.delivered)), default=inf)

    def connections(self, case: Case, server: str) -> list[InterConsoleConnection]:
        """Those to a server while the request was under way."""
        return [
            each
            for each in connections.own(case)
            if (each.client, each.server) == (self.source, server)
            and self.began <= each.began <= self.ended
        ]

    def tickets(self, case: Case) -> list[Transaction]:
        """What IBM did for the request: what it answered again as before is none."""
        entries = self.acknowledged(case)
        return [entry for entry in entries if not entry.again]

    def acknowledged(self, case: Case) -> list[Transaction]:
        return [e for e in case.ledger if e.key == self.key and e.status == 200]


@once
def requests(case: Case) -> list[ForwardedRequest]:
    """All of them, in order; without those of which a damaged file has the ends alone."""
    found: dict[tuple[str, str], ForwardedRequest] = {}
    for forwarded in case.told(RequestForwarded):
        name = forwarded.source, forwarded.key
        request = found.setdefault(name, ForwardedRequest(source=name[0], key=name[1]))
        request.forwarded.append(forwarded)
    for failed in case.told(RequestFailed):
        if begun := found.get((failed.source, failed.key)):
            begun.failed.append(failed)
    for delivered in case.told(RequestDelivered):
        if begun := found.get((delivered.source, delivered.key)):
            begun.delivered.append(delivered)
    return [*found.values()]


def check_m_05(case: Case) -> Finding:
    """A console without a way of its own gets home by a discovered one that is a call-home server."""
    check = Check(
        "M-05",
        "nothing of a console without a way home of its own goes to IBM; a call-home server that it has "
        "discovered sends each of its requests by the server's own way, and IBM acknowledges the request",
    )
    told = []
    for agent in case.concerned(KIND):
        check.forbid(_strays(case, agent), f"of {agent} to IBM")
        own = [request for request in requests(case) if request.source == agent]
        sent = [request for request in own if request.delivered]
        for request in sent:
            _judge_sent(case, check, request)
        if own and not sent:
            why = own[-1].failed[-1].problem if own[-1].failed else "no server has answered"
            check.object(f"no server sent a request of {agent}: {why}")
        if not own and _called(case, agent):
            check.object(f"{agent} knew no call-home server to ask")
        if sent:
            servers = all_of(list(dict.fromkeys(r.delivered[0].console for r in sent)))
            told.append(f"{count(len(sent), 'request')} of {agent} sent by {servers}")
    if not told:
        return check.not_tested(NO_REQUEST)
    ledger = case.why_no_ledger or "each acknowledged by IBM"
    return check.finding(f"{'; '.join(told)}; {ledger}; no packet of theirs went to IBM")


def _called(case: Case, agent: str) -> bool:
    calls = (call for call in case.record.calls if call.agent == agent and call.way)
    return any(case.topology.way(call.way).kind == KIND for call in calls)


def _strays(case: Case, agent: str) -> list[Frame]:
    """What a console's host sends to listed servers, or out of the customer's network, by itself."""
    cards = case.topology.node(agent).interfaces
    own, listed = {card.ip for card in cards}, {address for address, _ in case.listed}
    sent = [
        (frame, packet)
        for segment in dict.fromkeys(card.segment for card in cards)
        for frame, packet in case.packets(segment)
        if packet.destination in listed
    ]
    return [
        frame
        for frame, packet in (*sent, *case.leaving)
        if packet.source in own and case.has_way(KIND, agent, frame.time)
    ]


def _judge_sent(case: Case, check: Check, request: ForwardedRequest) -> None:
    """Whether the wires and IBM's ledger have what the console says of a request."""
    sent, agent = request.delivered[0], request.source
    asked = request.connections(case, sent.console)
    if not asked:
        check.object(f"{agent} did not call {sent.console} at TCP {PORT}, which sent its request")
    check.show(frame for each in asked for frame in each.frames[:1])
    way = case.way_of(sent.console, request.began)
    if way is None or way.kind == KIND:
        check.object(f"{sent.console} had no way of its own when it sent {agent}'s request")
        return
    wires = ways.stage(way.kind, "wires")
    used = [at for at in wires.uses(case, sent.console) if request.began <= at <= request.ended]
    if not used:
        check.object(f"{sent.console} did not use {way.name} while {agent}'s request was under way")
    if not case.why_no_ledger:
        _judge_ledger(case, check, request, wires.callers(case))


def _judge_ledger(case: Case, check: Check, request: ForwardedRequest, callers: set[str]) -> None:
    agent, server = request.source, request.delivered[0].console
    entries = request.acknowledged(case)
    if not entries:
        check.object(f"IBM acknowledged no request of {agent} that {server} says it has sent")
    for entry in entries:
        if entry.peer_ip not in callers:
            check.object(f"IBM has {agent}'s request from {entry.peer_ip}, not from {server}")
        if _is_labs(case, request) and entry.system not in ("", system_of(agent)):
            check.object(f"IBM has {agent}'s request as one of {entry.system}")


def _is_labs(case: Case, request: ForwardedRequest) -> bool:
    """Whether the lab's own agent asked: a user's may have another name for the system."""
    return any(
        call.agent == request.source and call.started <= request.began <= call.ended
        for call in case.record.calls
    )
