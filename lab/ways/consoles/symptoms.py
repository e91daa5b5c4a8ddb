"""How a failure of a way home by other consoles is told: by what is on the wires between consoles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from lab import ways
from lab.consoles.events import (
    ConsoleDiscovered,
    LevelsDiffer,
    RequestDelivered,
    RequestFailed,
    RequestForwarded,
)
from lab.linux.console_ports import dropped_counter
from lab.names import all_of, count
from lab.record.event import Event
from lab.topology.consoles import INTER_CONSOLE_PORT, named
from lab.verify import console_symptoms
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis, first_of
from lab.ways.consoles.causes import STOPS as STOPS
from lab.ways.consoles.events import PortTaken
from lab.wire.decode import TCP, Frame, Packet

E = TypeVar("E", bound=Event)

KIND = "consoles"

SILENT_S = 60.0
"""Without a packet, while a request is at it: a console that works has something to say."""


@dataclass(frozen=True, slots=True)
class ForwardTrail:
    """One agent's requests, and what became of them at the servers."""

    case: Case
    agent: str

    def _told(self, kind: type[E]) -> list[E]:
        """What the agent's console told, but for when the lab took a port away (M-04)."""
        closed = [(trial.started, trial.restored) for trial in self.case.told(PortTaken)]
        return [
            event
            for event in self.case.told(kind)
            if event.source == self.agent and not any(a <= event.time <= b for a, b in closed)
        ]

    @property
    def levels(self) -> list[str]:
        """Of call-home servers that were warned of."""
        return [warning.levels for warning in self._told(LevelsDiffer)]

    @property
    def asked(self) -> list[AskedServer]:
        """Each server that each request was forwarded to."""
        return [_read(self.case, event) for event in self._told(RequestForwarded)]

    @property
    def failed(self) -> list[tuple[AskedServer, RequestFailed, str]]:
        """Servers that did not send a request, or did not say so, and who sent that then; "" for nobody."""
        delivered = {event.key: event.console for event in self._told(RequestDelivered)}
        forwarded = {(e.key, e.console): e for e in self._told(RequestForwarded)}
        return [
            (_read(self.case, forwarded[e.key, e.console]), e, delivered.get(e.key, ""))
            for e in self._told(RequestFailed)
            if (e.key, e.console) in forwarded
        ]


def find_undiscovered(trail: ForwardTrail) -> Diagnosis | None:
    """Consoles that do not know each other, so that nobody was asked, or one refused who was not known."""
    known = {(e.source, e.console) for e in trail.case.told(ConsoleDiscovered)}
    asked = trail.asked
    if asked and all((each.server, trail.agent) in known for each in asked):
        return None
    return console_symptoms.find(trail.case)


def find_wall(trail: ForwardTrail) -> Diagnosis | None:
    """A firewall between two networks of the customer's, which lets nothing through to a server."""
    own = named(trail.case.topology.consoles, trail.agent)
    for asked in (each for each in trail.asked if each.is_closed):
        far = [card.segment for card in named(trail.case.topology.consoles, asked.server).cards]
        near = [card.segment for card in own.cards]
        if {*far} & {*near}:
            continue
        came = [
            frame
            for segment in far
            for frame, packet in trail.case.packets(segment)
            if packet.is_bare_syn
            and packet.source in own.addresses
            and packet.destination_port == INTER_CONSOLE_PORT
        ]
        wall = trail.case.topology.firewall
        if not came and wall is not None:
            return Diagnosis(
                "consoles-kept-apart",
                f"{trail.agent} has discovered {asked.server}, and {wall.node} lets no TCP "
                f"{INTER_CONSOLE_PORT} through to it: {count(len(asked.syns), 'SYN')} on {near[0]}, none on "
                f"{far[0]}",
                f"let TCP {INTER_CONSOLE_PORT} from {trail.agent} to {asked.server} through {wall.node} "
                "(F-17)",
            )
    return None


def find_closed_port(trail: ForwardTrail) -> Diagnosis | None:
    """Servers that are discovered, and do not answer at TCP 9920."""
    closed = [each for each in trail.asked if each.is_closed]
    if not closed:
        return None
    names = list(dict.fromkeys(each.server for each in closed))
    sent = sum(len(each.syns) for each in closed)
    counter = dropped_counter("tcp", INTER_CONSOLE_PORT)
    dropped = {name: trail.case.record.counters.get(name, {}).get(counter, 0) for name in names}
    own = [name for name, number in dropped.items() if number]
    who = all_of(own or names)
    by = f"; the own firewall of {who} dropped {sum(dropped.values())}" if own else ""
    return Diagnosis(
        "port-9920-blocked",
        f"{trail.agent} has discovered {all_of(names)}, and TCP {INTER_CONSOLE_PORT} there does not answer: "
        f"{count(sent, 'SYN')}, no SYN/ACK{by}",
        f"let TCP {INTER_CONSOLE_PORT} in at the firewall of {who} (M-04, F-17)",
    )


def find_late_answer(trail: ForwardTrail) -> Diagnosis | None:
    """A server that had sent a request said so when the console had asked another one."""
    for asked, failed, by in trail.failed:
        late = [frame for frame in asked.data if frame.time > failed.time]
        if late:
            after = late[0].time - asked.syns[0].time
            return Diagnosis(
                "late-answer",
                f"{asked.server} answered {trail.agent}'s request after {after:.0f} s; {trail.agent} had not "
                f"waited, {_sent_by(trail, failed, by)}",
                f"see what is slow on {asked.server}, or between it and IBM",
            )
    return None


def find_lost_server(trail: ForwardTrail) -> Diagnosis | None:
    """A server took a request, and was not heard of any more."""
    for asked, failed, by in trail.failed:
        own = named(trail.case.topology.consoles, asked.server)
        last = max(
            (
                frame.time
                for card in own.cards
                for frame, packet in trail.case.packets(card.segment)
                if packet.source in own.addresses and frame.time <= failed.time
            ),
            default=0.0,
        )
        if asked.answers and 0.0 < last < failed.time - SILENT_S:
            return Diagnosis(
                "server-lost",
                f"{asked.server} took {trail.agent}'s request, and has sent nothing for "
                f"{failed.time - last:.0f} s since, {_sent_by(trail, failed, by)}",
                f"see whether {asked.server} runs (M-07)",
            )
    return None


def find_servers_way(trail: ForwardTrail) -> Diagnosis | None:
    """Why a server's own calls home failed, where that is why it did not send a request either."""
    case = trail.case
    lost = {call.agent for call in case.failed_calls}
    for asked, _, by in trail.failed:
        own = case.topology.ways_of(asked.server) if asked.server in lost and not by else ()
        for way in own:
            if way.kind == KIND or not case.tried(way.kind, asked.server):
                continue
            found: Diagnosis | None = ways.stage(way.kind, "symptoms").failure(case, asked.server)
            if found is not None:
                sentence = f"{found.sentence}; so {asked.server} did not send {trail.agent}'s request either"
                return replace(found, sentence=sentence)
    return None


def find_failed_server(trail: ForwardTrail) -> Diagnosis | None:
    """A server that did not get home with a request; not one whose way had been taken down by command."""
    for asked, failed, by in trail.failed:
        if trail.case.way_of(asked.server, failed.time) is None:
            continue
        return Diagnosis(
            "server-failed",
            f"{asked.server} did not send {trail.agent}'s request: {failed.problem}, "
            f"{_sent_by(trail, failed, by)}",
            f"see the way home of {asked.server}",
        )
    return None


def find_levels(trail: ForwardTrail) -> Diagnosis | None:
    """Call-home servers of several levels."""
    for levels in trail.levels:
        return Diagnosis(
            "levels-differ",
            f"{trail.agent} knows call-home servers of several levels: {levels}",
            "give all call-home servers one level (M-08)",
        )
    return None


Symptom = Callable[[ForwardTrail], Diagnosis | None]

FAILURE: tuple[Symptom, ...] = (
    find_undiscovered,
    find_wall,
    find_closed_port,
    find_servers_way,
    find_failed_server,
)
"""In the order of the path: an earlier step that fails explains all later ones."""

SURVIVED: tuple[Symptom, ...] = (
    find_wall,
    find_closed_port,
    find_late_answer,
    find_lost_server,
    find_failed_server,
    find_levels,
)


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Why the way did not lead home."""
    return first_of([ForwardTrail(case, agent)], FAILURE)


def survived(case: Case, agent: str) -> Diagnosis | None:
    """What befell a way that did lead home: a server was lost or slow, or servers are of several levels."""
    return first_of([ForwardTrail(case, agent)], SURVIVED)


def _sent_by(trail: ForwardTrail, failed: RequestFailed, by: str) -> str:
    """Who sent a request after all, if anybody did, and how often IBM heard it."""
    if not by:
        return "and nobody else sent it"
    heard = [e for e in trail.case.record.ledger if e.key == failed.key and e.status == 200]
    return f"and {by} sent it; IBM has it from {count(len(heard), 'call')} as one ticket"


@dataclass(frozen=True, slots=True)
class AskedServer:
    """What the wire has of one server that one request was forwarded to."""

    server: str
    syns: list[Frame]
    answers: list[Frame]
    """SYN/ACKs."""
    data: list[Frame]
    """What the server said after that."""

    @property
    def is_closed(self) -> bool:
        """Whether TCP 9920 of the server did not answer."""
        return bool(self.syns) and not self.answers


def _read(case: Case, event: RequestForwarded) -> AskedServer:
    asking, server = (
        named(case.topology.consoles, event.source),
        named(case.topology.consoles, event.console),
    )
    ends = {*asking.addresses}, {*server.addresses}
    both: list[tuple[Frame, Packet]] = []
    for card in asking.cards:
        both += [(f, p) for f, p in case.packets(card.segment) if f.time >= event.time]
    both = [(f, p) for f, p in both if p.protocol == TCP]
    to = [
        (f, p)
        for f, p in both
        if p.source in ends[0]
        and p.destination in ends[1]
        and p.destination_port == INTER_CONSOLE_PORT
    ]
    # Of the first connection only: the next request may go to the same server.
    port = next((p.source_port for _, p in to), 0)
    back = [
        (f, p)
        for f, p in both
        if p.source in ends[1]
        and p.source_port == INTER_CONSOLE_PORT
        and p.destination_port == port
    ]
    return AskedServer(
        server=event.console,
        syns=[f for f, p in to if p.is_bare_syn and p.source_port == port],
        answers=[f for f, p in back if p.is_syn_ack],
        data=[f for f, p in back if p.payload],
    )
