"""What the wires show of errands, for the findings and symptoms that are about them. Judges nothing.

TLS hides which errand a connection is for. The servers' ledger says it, and ledger and wire are joined by the
four numbers of the connection, as it is beyond the customer's NAT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lab.agent.http1 import Head, Malformed, Stream
from lab.record.call_event import CallHomeTried
from lab.record.record import Transaction
from lab.topology.errand_kinds import DOWNLOADS, ErrandKind
from lab.topology.model import HTTP_PORT, Errand
from lab.topology.servers import ListedServer
from lab.verify.case import Case
from lab.wire import tls
from lab.wire.decode import Frame
from lab.wire.tls import TcpConnection

KIND = "errand: "
"""How the ledger's ``kind`` of an errand begins."""
SERVICE = "service: "
"""How that of an operation of the receiver's begins."""
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ErrandCarriage:
    """A connection that left for the Internet, and what the ledger has of it."""

    connection: TcpConnection
    entries: tuple[Transaction, ...]

    @property
    def place(self) -> Place:
        return self.connection.server, self.connection.port

    @property
    def where(self) -> str:
        return f"{self.connection.server}:{self.connection.port}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The errands that it was for."""
        named = (e.kind.removeprefix(KIND) for e in self.entries if e.kind.startswith(KIND))
        return tuple(dict.fromkeys(named))

    @property
    def answered(self) -> bool:
        """Whether the server took the connection."""
        return any(packet.is_syn_ack for packet in self.connection.received)

    @property
    def acknowledged(self) -> bool:
        """Whether an errand was done by it: told by the ledger, and bytes came back on the wire."""
        told = any(e.kind.startswith(KIND) and e.status == 200 for e in self.entries)
        return told and bool(self.connection.back)

    @property
    def began(self) -> float:
        return self.connection.frames[0].time

    @property
    def answered_until(self) -> float:
        """When the last byte of the server's came; 0 if none did."""
        times = [f.time for f, p in self.connection.carried(out=False) if p.payload]
        return times[-1] if times else 0.0

    @property
    def frames(self) -> list[Frame]:
        """The first, which show it."""
        return self.connection.frames[:4]


@dataclass(frozen=True, slots=True)
class HttpRequestSeen:
    """A request in clear, as the wire has it, and the answer to it."""

    method: str
    target: str
    head: Head
    body_bytes: int
    status: int
    """0 where none came."""
    content: bytes


class ErrandsSeen:
    """The errands of one run."""

    def __init__(self, case: Case) -> None:
        self._case = case

    @cached_property
    def carriages(self) -> list[ErrandCarriage]:
        """Every TCP connection that was opened towards the Internet, in order."""
        case = self._case
        seen = {*filter(None, (case.topology.seen_address,))}
        own = case.seen_addresses | (seen or case.outer_proxies)
        entries: dict[tuple[str, int, str, int], list[Transaction]] = {}
        for entry in case.record.ledger:
            ends = (entry.peer_ip, entry.peer_port, entry.server_ip, entry.server_port)
            entries.setdefault(ends, []).append(entry)
        return [
            ErrandCarriage(found, tuple(entries.get(_ends(found), ())))
            for found in tls.connections(case.frames(*case.last_wires))
            if found.opened and found.client in own
        ]

    @cached_property
    def in_clear(self) -> list[tuple[ErrandCarriage, list[HttpRequestSeen]]]:
        """Those by HTTP, with what was asked there. A connection whose bytes are no HTTP has one request
        without a method."""
        return [
            (one, [*_requests(one.connection)])
            for one in self.carriages
            if one.connection.port == HTTP_PORT
        ]

    @property
    def tried(self) -> list[CallHomeTried]:
        """Every attempt of every run of an agent."""
        calls = [attempt for call in self._case.record.calls for attempt in call.attempts]
        return calls + [a for trial in self._case.record.errand_trials for a in trial.attempts]

    @property
    def variant(self) -> str:
        """Whose servers the agents call, where a profile has two sets; empty where it has one."""
        return next((errand.variant for errand in self._case.topology.errands), "")

    @property
    def listed(self) -> list[ListedServer]:
        """The servers of the tables that are for these agents, by variant and region."""
        topology = self._case.topology
        return [
            server
            for server in topology.servers
            if not self.variant or self.variant in server.variants
            if "all" in (topology.region, *server.regions) or topology.region in server.regions
        ]

    def places(self, kind: str) -> set[Place]:
        """Where the tables have an errand done: a fix by HTTP if that is listed, all else by TLS."""
        found = {(s.address, s.port) for s in self.listed if kind in s.serves}
        clear = {place for place in found if place[1] == HTTP_PORT}
        if kind == ErrandKind.fix and clear:
            return clear
        return found - clear

    def backups(self, kind: str) -> set[Place]:
        """Where it may be done, too, when that fails: downloads by HTTP (OUT-32)."""
        if kind not in DOWNLOADS or kind == ErrandKind.fix:
            return set()
        return {
            (s.address, HTTP_PORT) for s in self.listed if kind in s.serves and s.port == HTTP_PORT
        }


def errands_of(case: Case, agent: str) -> tuple[Errand, ...]:
    """What an agent does, by all of its ways."""
    return tuple(
        e for way in case.topology.ways_of(agent) for e in case.topology.errands_of(way.name)
    )


def _ends(connection: TcpConnection) -> tuple[str, int, str, int]:
    return (
        connection.client,
        connection.sent[0].source_port,
        connection.server,
        connection.port,
    )


def _requests(connection: TcpConnection) -> Iterator[HttpRequestSeen]:
    asked, answers = _stream(connection.out), _stream(connection.back)
    try:
        while (head := asked.head()) is not None:
            method, target, _ = head.request_line()
            size = sum(len(part) for part in asked.body(head.body_length() or 0))
            status, content = _answer(answers)
            yield HttpRequestSeen(method, target, head, size, status, content)
    except Malformed:
        yield HttpRequestSeen("", "", Head("", {}), len(connection.out), 0, b"")


def _answer(answers: Stream) -> tuple[int, bytes]:
    try:
        head = answers.head()
        if head is None:
            return 0, b""
        status, _ = head.status_line()
        return status, b"".join(answers.body(head.body_length()))
    except Malformed:
        return 0, b""


def _stream(data: bytes) -> Stream:
    parts = iter([data])
    return Stream(lambda: next(parts, b""))
