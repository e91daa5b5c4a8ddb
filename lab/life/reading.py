"""Makes the chronicle of a run: from its events, its record, IBM's store, and the agent's own wire."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from lab.ibm.receiver.desk import STORE_FILE
from lab.ibm.receiver.reports import pmh
from lab.imm import events as imm
from lab.life import wires
from lab.life.chronicle import (
    SERVICE,
    Chronicle,
    Connection,
    ConnectionTest,
    Enrolled,
    Happening,
    PageVisit,
    PathResult,
    ReceiverRequest,
    Removal,
    StoredMessage,
)
from lab.life.events import (
    KINDS,
    AgentEnded,
    LifeBegun,
    LifeEnded,
    LifeHappened,
    PagesSeen,
    ProblemCame,
)
from lab.life.machine import CANARY, OUTPUTS, PRINTED
from lab.life.script import Deed
from lab.record import story
from lab.record.event import Event
from lab.record.record import Record, Transaction
from lab.topology.model import Topology
from lab.topology.roles import Role
from lab.topology.servers import Speaks
from lab.ways.direct.plan import DirectPlan
from lab.ways.proxy.plan import ProxyPlan


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
        vendor=begun.vendor,
        hmc_managed=begun.hmc_managed,
        web_port=begun.web_port,
        ibm_ids=[*begun.ibm_ids],
        ways=len(topology.ways_of(begun.source)),
        connections=_connections(topology, begun.source),
        endpoints=_endpoints(topology, begun.hosts),
        direct=[way.name for way in _direct(topology, begun.source)],
        stand_ins=_stand_ins(topology, begun.source),
        places=sorted({s.address for s in topology.servers if s.speaks is Speaks.https}),
        asked=[_asked(entry) for entry in record.ledger],
    )
    _take_events(found, events)
    _take_notices(found, topology, events)
    (sdc,) = topology.with_role(Role.sdc)
    _take_tests(found, run_dir / "logs" / begun.source)
    texts = {each.number: each.text for each in events if isinstance(each, ProblemCame)}
    _take_store(found, run_dir / "logs" / sdc.name / STORE_FILE, texts)
    wires.read(found, topology, begun.source, run_dir)
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
                led_to=event.led_to,
            )
            found.happenings.append(happening)
            if event.deed in (Deed.problem, Deed.imm):
                found.told.append(event.subject)
        elif isinstance(event, PagesSeen):
            found.visits.append(_visit(event))
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


def _visit(event: PagesSeen) -> PageVisit:
    shared = {each.name: getattr(event, each.name) for each in fields(PageVisit)}
    return PageVisit(**shared)


def _direct(topology: Topology, agent: str) -> list[DirectPlan]:
    return [way for way in topology.ways_of(agent) if isinstance(way, DirectPlan)]


def _connections(topology: Topology, agent: str) -> list[Connection]:
    found: list[Connection] = []
    for way in topology.ways_of(agent):
        if isinstance(way, DirectPlan):
            found.append(Connection(name=way.name))
        elif isinstance(way, ProxyPlan):
            stops = way.stops(topology)
            found += [Connection(name=s.node, place=f"{s.address}:{s.port}") for s in stops]
        else:
            return []
    return found


def _endpoints(topology: Topology, hosts: Iterable[str]) -> dict[str, list[str]]:
    """What each name leads to when the lab comes up."""
    listed = {
        name: list(dict.fromkeys(s.address for s in topology.servers if s.name == name))
        for name in hosts
    }
    if topology.dns is not None:
        listed |= {name: [*topology.dns.addresses_of(name)] for name in listed}
    return {name: addresses for name, addresses in listed.items() if addresses}


def _stand_ins(topology: Topology, agent: str) -> list[str]:
    """Where registration and bulk data may be taken: one address is enough (F-13)."""
    groups = (group for way in _direct(topology, agent) for group in way.stand_ins)
    return sorted({e.address for g in groups if g.requirement == "F-13" for e in g.endpoints})


def _take_tests(found: Chronicle, folder: Path) -> None:
    """What the agent wrote of each test; a file that makes no sense tells nothing."""
    for each in found.having(Deed.test):
        told = folder / f"test-{each.subject}"
        results = None
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            results = tuple(
                PathResult(
                    way=str(one["way"]),
                    server=str(one.get("server", "")),
                    address=str(one.get("address", "")),
                    reached=one["reached"] is True,
                )
                for one in json.loads(told.read_text())
            )
        found.tests.append(
            ConnectionTest(
                time=each.time,
                addresses=each.addresses,
                told=results is not None,
                results=results or (),
            )
        )


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
                    ibm_ids=tuple(json.loads(row["ibm_ids"])),
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
