"""Makes the chronicle of a run: from its events, its record, IBM's store, and the agent's own wire."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.ibm.receiver.desk import STORE_FILE
from lab.ibm.receiver.reports import pmh
from lab.imm import events as imm
from lab.life.chronicle import (
    HTTP_PORT,
    SERVICE,
    Chronicle,
    ClearRequest,
    Enrolled,
    Happening,
    ReceiverRequest,
    Removal,
    StoredMessage,
    WireCall,
)
from lab.life.events import KINDS, AgentEnded, LifeBegun, LifeEnded, LifeHappened, ProblemCame
from lab.life.machine import CANARY, OUTPUTS, PRINTED
from lab.life.script import Deed
from lab.record import story
from lab.record.event import Event
from lab.record.record import Record, Transaction
from lab.topology.model import Topology
from lab.topology.roles import Role
from lab.topology.servers import Speaks
from lab.wire import decode
from lab.wire.decode import TCP, Packet

_REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (\S+) HTTP/1\.[01]\r\n", re.ASCII)
_LENGTH = re.compile(rb"^content-length: *([0-9]+)", re.IGNORECASE | re.MULTILINE)
_LOG_IN = re.compile(rb"^authorization:", re.IGNORECASE | re.MULTILINE)
_SYN_ACK, _ACK = 0x12, 0x10


def read(topology: Topology, record: Record, run_dir: Path, script: str) -> Chronicle | None:
    """The chronicle; None if the life never began."""
    events = story.read(run_dir, *KINDS, *imm.KINDS)
    begun = next((each for each in events if isinstance(each, LifeBegun)), None)
    if begun is None:
        return None
    ended = next((each.time for each in events if isinstance(each, LifeEnded)), record.ended)
    found = Chronicle(
        topology=topology.name,
        profile=topology.profile,
        script=script,
        program=begun.program,
        own=begun.own,
        began=begun.time,
        ended=ended,
        ways=len(topology.ways_of(begun.source)),
        places=sorted({s.address for s in topology.servers if s.speaks is Speaks.https}),
        asked=[_asked(entry) for entry in record.ledger],
    )
    _take_events(found, events)
    _take_notices(found, topology, events)
    (sdc,) = topology.with_role(Role.sdc)
    texts = {each.number: each.text for each in events if isinstance(each, ProblemCame)}
    _take_store(found, run_dir / "logs" / sdc.name / STORE_FILE, texts)
    _take_wire(found, topology, begun.source, run_dir)
    return found


def _take_events(found: Chronicle, events: list[Event]) -> None:
    for event in events:
        if isinstance(event, LifeHappened):
            happening = Happening(
                time=event.time,
                deed=event.deed,
                subject=event.subject,
                until=event.until,
                addresses=event.addresses,
                urls=event.urls,
                errand=event.errand,
                kind_of=event.kind_of,
                by_s=event.by_s,
            )
            found.happenings.append(happening)
            if event.deed in (Deed.problem, Deed.imm):
                found.told.append(event.subject)
        elif isinstance(event, AgentEnded) and not event.wanted:
            found.ends.append(event.how)


def _take_notices(found: Chronicle, topology: Topology, events: list[Event]) -> None:
    """What passed between the management module and the agent's host."""
    hosts = {module.agent_address for module in topology.modules}
    texts: dict[str, str] = {}
    for event in events:
        if isinstance(event, imm.ModuleSubscribed) and event.client in hosts:
            found.subscriptions.append(event.time)
        elif isinstance(event, imm.FailureRaised):
            texts[event.identifier] = event.text
        elif isinstance(event, imm.NoticeSent) and event.address in hosts and not event.problem:
            found.noticed.append(texts[event.identifier])


def _asked(entry: Transaction) -> ReceiverRequest:
    of_receiver = entry.kind.startswith(SERVICE)
    return ReceiverRequest(
        time=entry.time,
        kind=entry.kind.removeprefix(SERVICE) if of_receiver else "",
        status=entry.status,
        server=entry.server,
        address=entry.server_ip,
        port=entry.server_port,
        peer=f"{entry.peer_ip}:{entry.peer_port}",
        encrypted=bool(entry.tls_version),
        method=entry.method,
        report=entry.report,
        identity=entry.authenticated_as,
        system=entry.system,
        detail=entry.detail,
    )


def _take_store(found: Chronicle, path: Path, texts: Mapping[str, str]) -> None:
    if not path.exists():
        return
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as store:
        store.row_factory = sqlite3.Row
        for row in store.execute("SELECT * FROM reports ORDER BY n"):
            content = json.loads(row["content"]) if row["content"] else {}
            if CANARY in (row["content"] or ""):
                found.leaks.append(f"{row['kind']} {row['report']}")
            is_problem = row["kind"] == "problem"
            found.messages.append(
                StoredMessage(
                    kind=row["kind"],
                    report=row["report"],
                    received=row["received"],
                    number=pmh(row["n"]) if is_problem else "",
                    text=str(content.get("text") or texts.get(pmh(row["n"]), ""))
                    if is_problem
                    else "",
                    kept=row["content"] is not None,
                    reason=str(content.get("reason", "")),
                    files=tuple(content.get("files", ())),
                    printed=_is_printed(str(content.get("files", {}).get(OUTPUTS, ""))),
                    closed=row["closed"] or 0.0,
                )
            )
        for row in store.execute("SELECT * FROM systems ORDER BY enrolled"):
            found.machines.append(
                Enrolled(
                    identity=row["id"],
                    system=f"{row['type']}-{row['model']}/{row['serial']}",
                    enrolled=row["enrolled"],
                    number=row["number"],
                    since=row["since"],
                    key_expires=row["key_expires"],
                )
            )
        for row in store.execute("SELECT * FROM removals ORDER BY n"):
            found.removals.append(
                Removal(
                    what=row["what"],
                    report=row["report"],
                    stored=row["stored"],
                    removed=row["removed"],
                )
            )
        _take_uploads(found, store)


def _is_printed(text: str) -> bool:
    return all(each in text for each in PRINTED.values())


def _take_uploads(found: Chronicle, store: sqlite3.Connection) -> None:
    """What came as bulk data; the rows stay when the data are deleted."""
    for row in store.execute("SELECT n, report, name, complete FROM uploads ORDER BY n"):
        found.uploaded.append(row["name"])
        if row["complete"]:
            found.uploads.append(row["report"])
        parts = store.execute(
            "SELECT content FROM parts WHERE upload = ? ORDER BY start", (row["n"],)
        )
        if CANARY.encode() in b"".join(part["content"] for part in parts):
            found.leaks.append(row["name"])


def _take_wire(found: Chronicle, topology: Topology, agent: str, run_dir: Path) -> None:
    """Which connections the agent's host opened, what it said in clear, and who called it."""
    uplink = topology.node(agent).uplink
    own = {*uplink.ips}
    inside = {
        ip for n in topology.members(uplink.segment) for ip in n.interface(uplink.segment).ips
    }
    modules = {module.address for module in topology.modules}
    proxies = {(proxy.address, proxy.port) for proxy in topology.proxies}
    begun: dict[tuple[str, int, int], float] = {}
    answered: set[tuple[str, int, int, float]] = set()
    for time, packet in _packets(run_dir / "wire" / f"{uplink.segment}.pcapng"):
        if packet.protocol != TCP or not found.began <= time or packet.destination in modules:
            continue
        if packet.source in own:
            key = packet.destination, packet.destination_port, packet.source_port
            if packet.is_bare_syn:
                # The same SYN again is the same try.
                if key not in begun or _fresh(begun[key], time, (*key, begun[key]) in answered):
                    begun[key] = time
                    _note_call(found, key, time, proxies)
            elif packet.destination_port == HTTP_PORT and packet.payload:
                _note_clear(found, time, packet)
        elif packet.destination in own:
            key = packet.source, packet.source_port, packet.destination_port
            if packet.tcp_flags & _SYN_ACK == _SYN_ACK and key in begun:
                answered.add((*key, begun[key]))
            elif packet.is_bare_syn and packet.source not in inside:
                found.inbound.append(time)
    _mark_answered(found, {(key[0], key[1], key[3]) for key in answered})


RETRIED_S = 130.0
"""So long a kernel repeats a SYN (tcp_syn_retries 6)."""


def _fresh(before: float, time: float, was_answered: bool) -> bool:
    return was_answered or time - before > RETRIED_S


def _note_call(
    found: Chronicle,
    key: tuple[str, int, int],
    time: float,
    proxies: set[tuple[str, int]],
) -> None:
    address, port, _ = key
    by_proxy = (address, port) in proxies
    call = WireCall(time=time, address=address, port=port, answered=False, proxied=by_proxy)
    found.calls.append(call)


def _mark_answered(found: Chronicle, answered: set[tuple[str, int, float]]) -> None:
    found.calls = [
        WireCall(
            time=call.time,
            address=call.address,
            port=call.port,
            answered=(call.address, call.port, call.time) in answered,
            proxied=call.proxied,
        )
        for call in found.calls
    ]


def _note_clear(found: Chronicle, time: float, packet: Packet) -> None:
    head = _REQUEST.match(packet.payload)
    if head is None:
        return
    fields, _, body = packet.payload.partition(b"\r\n\r\n")
    length = _LENGTH.search(fields)
    found.clear.append(
        ClearRequest(
            time=time,
            address=packet.destination,
            method=head[1].decode(),
            target=head[2].decode(errors="replace"),
            body_bytes=max(int(length[1]) if length else 0, len(body)),
            logged_in=bool(_LOG_IN.search(fields)),
        )
    )


def _packets(path: Path) -> Iterator[tuple[float, Packet]]:
    if not path.exists():
        return
    for frame in decode.read(path):
        if frame.ip is not None:
            yield frame.time, frame.ip
