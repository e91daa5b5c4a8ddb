"""Sends the queue: each report to the first server that takes it, by the first way that leads there.

A report leaves the queue when its acknowledgement is in the ledger. It has the same identifier and the same
content in each try, so whatever answer is lost, IBM's side has it once (OUT-18, OUT-34).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lab.agent import storage
from lab.agent.authentication import Authentication, WrongPassword, tried
from lab.agent.bulk import upload
from lab.agent.enrolment import Enrolment
from lab.agent.message import ServerUrl
from lab.agent.problems import CLOSED, OPEN, REFUSED
from lab.agent.roads import Road, Roads, run_lab_way
from lab.agent.session import ReceiverSession, ServiceReply, Unanswered, open_session
from lab.agent.spool import Queued
from lab.agent.state import SENDING, AgentState
from lab.secret import Secret

DATA, ENROLMENT = "data", "enrolment"
PATHS = {
    ENROLMENT: "/service/enrolments/",
    "heartbeat": "/service/heartbeats/",
    "inventory": "/service/inventories/",
    "performance": "/service/performance/",
    "problem": "/service/problems/",
}
OPERATIONS = {DATA: "upload"}
"""Of a kind of report, whose servers take it, where that is another word."""
PASSWORD = "/service/password"
NO_WAY = "no-way-home"
"""The alert that nothing arrives."""
_NEVER = (400, 409, 413, 422)
"""Statuses of a report that IBM's side will never take; of data also 404: there is no such problem."""

Command = Callable[[str, str], tuple[int, str]]
"""What brings a ``lab-way`` up and down: see ``roads.run_lab_way``."""


class Elsewhere(Exception):
    """This server does not do it now; another one may."""


@dataclass(slots=True)
class Sent:
    """What became of one sending."""

    acknowledged: list[Queued] = field(default_factory=list)
    refused: list[Queued] = field(default_factory=list)
    kept: int = 0
    """How many reports wait in the queue."""
    why: str = ""
    """Why one of them was kept, the last that was tried."""

    def has(self, report: str) -> bool:
        return any(entry.report == report for entry in self.acknowledged)


@dataclass(slots=True)
class _Batch:
    """Reports of one machine for the same servers: they go over one session."""

    machine: str
    kind: str
    servers: list[ServerUrl]
    left: list[Queued]
    wrong: bool = False
    """Whether a server takes no password of the machine: another one may, and no other way helps (OUT-14)."""


class Courier:
    """Goes to IBM's side; one at a time, whatever processes there are."""

    def __init__(self, state: AgentState, command: Command = run_lab_way) -> None:
        self._state = state
        self._command = command

    @contextlib.contextmanager
    def trip(self) -> Iterator[Trip]:
        """One going there, with the ways in their order; waits for the end of another process's."""
        state = self._state
        storage.make_folder(state.folder)
        with (
            storage.locked(state.file(SENDING)),
            Roads(state.settings.ways, state.folder, state.book, self._command) as roads,
        ):
            yield Trip(state, roads)

    def send(self) -> Sent:
        """Go, and send what is queued."""
        with self.trip() as trip:
            return trip.send()


class Trip:
    """What can be done on one going: send what is queued, and ask for things (``inquiry``)."""

    def __init__(self, state: AgentState, roads: Roads) -> None:
        self._state = state
        self.roads = roads

    def send(self) -> Sent:
        """Try every report once; what is not taken stays. Raises StorageError, with nothing lost."""
        sending = _Sending(self._state, self.roads)
        sending.run()
        return sending.sent


class _Sending:
    """One sending under way."""

    def __init__(self, state: AgentState, roads: Roads) -> None:
        self._state = state
        self._roads = roads
        self._enrolment = Enrolment(state)
        self._authentication = Authentication(state)
        self.sent = Sent()

    def run(self) -> None:
        spool = self._state.spool
        self._enrolment.queue_missing()
        self._send_all(lambda entry: entry.kind == ENROLMENT)
        self._send_all(lambda entry: entry.kind not in (ENROLMENT, DATA))
        # Data belongs to a problem that IBM's side knows.
        unknown = {entry.report for entry in spool.entries() if entry.kind == "problem"}
        self._send_all(lambda entry: entry.kind == DATA and entry.about not in unknown)
        if self._enrolment.needed:
            self._send_all(lambda entry: entry.kind == ENROLMENT)
        self.sent.kept = len(spool)
        self._alert()

    def _alert(self) -> None:
        if not self.sent.kept:
            self._state.alerts.clear(NO_WAY)
        elif not self.sent.acknowledged and self.sent.why:
            self._state.alerts.sound(
                NO_WAY,
                f"nothing could be sent: {self.sent.why}; what is queued is kept",
                "`lab agent test` says which way to which server fails; "
                f"the service tries again every {self._state.settings.retry_s:g} s",
            )

    def _send_all(self, wanted: Callable[[Queued], bool]) -> None:
        batches: dict[tuple[str, str], _Batch] = {}
        for entry in filter(wanted, self._state.spool.entries()):
            servers = self._state.directory.servers(OPERATIONS.get(entry.kind, entry.kind))
            key = entry.machine, " ".join(server.url for server in servers)
            batch = batches.setdefault(key, _Batch(entry.machine, entry.kind, servers, []))
            batch.left.append(entry)
        for batch in batches.values():
            self._deliver(batch)

    def _deliver(self, batch: _Batch) -> None:
        """To the first server by the first way that takes them; what one leaves, the next one gets."""
        if not batch.servers:
            operation = OPERATIONS.get(batch.kind, batch.kind)
            why = f"no server is known for {operation}: add one to [servers]"
            self.sent.why = self.sent.why or why
            return
        if batch.kind != ENROLMENT and self._state.credentials.of(batch.machine) is None:
            self.sent.why = self.sent.why or f"{batch.machine} is not enrolled yet"
            return
        for road, server in self._tries(batch):
            batch.wrong = self._at(road, server, batch) or batch.wrong
            if not batch.left:
                return
        if batch.wrong:
            self.sent.why = f"IBM's servers do not take the password of {batch.machine}"
            self._enrolment.password_refused(batch.machine)

    def _tries(self, batch: _Batch) -> Iterator[tuple[Road, ServerUrl]]:
        for road in self._roads.usable():
            for server in batch.servers:
                if not road.closed:
                    yield road, server
            if batch.wrong:
                return

    def _at(self, road: Road, server: ServerUrl, batch: _Batch) -> bool:
        """Send to one server what it takes; whether it takes no password."""
        refused: list[Secret | None] = []
        while batch.left:
            passwords = self._authentication.passwords(
                "" if batch.kind == ENROLMENT else batch.machine
            )
            known = [each for each in passwords if each not in refused]
            if not known:
                return True
            before = len(batch.left)
            try:
                with self._open(road, server, batch.kind) as session:
                    self._authentication.log_in(session, batch.machine, known[0])
                    self._converse(session, road, batch, known[0])
            except Unanswered as failed:
                self._failed(road, batch.left[0], failed)
                return False
            except Elsewhere as reason:
                self.sent.why = f"{server.url}: {reason}"
                return False
            except WrongPassword:
                refused.append(known[0])
            else:
                if len(batch.left) == before:
                    return False
                if not batch.left:
                    self._acknowledge_password(road, server, batch.machine)
        return False

    def _open(self, road: Road, server: ServerUrl, kind: str) -> ReceiverSession:
        state = self._state
        return open_session(
            server, road.setting.proxy, state.context, errand=kind, family=state.settings.family
        )

    def _converse(
        self, session: ReceiverSession, road: Road, batch: _Batch, password: Secret | None
    ) -> None:
        """Send one report after the other, as long as the session lasts."""
        while batch.left and not session.over:
            entry = self._state.spool.load(batch.left[0])
            if entry is None:
                del batch.left[0]
                continue
            reply = self._ask(session, entry)
            if password is not None:
                self._authentication.heed(entry.machine, reply, password)
            if reply.done:
                self._acknowledged(session, road, entry, reply)
            else:
                self._not_done(session, road, entry, reply)
            del batch.left[0]
            if reply.done and entry.kind == "heartbeat" and password is not None:
                self._ask_states(session, road, entry.machine, password)

    def _ask_states(
        self, session: ReceiverSession, road: Road, machine: str, password: Secret
    ) -> None:
        """Learn what has become of the machine's open problems, over the session of a daily heartbeat."""
        state = self._state
        for report, told in state.problems.all().items():
            if told.get("machine") != machine or told.get("state") != OPEN or session.over:
                continue
            try:
                reply = session.ask("GET", f"{PATHS['problem']}{report}")
            except Unanswered as failed:
                note = {"report": report, "machine": machine, "way": road.name}
                state.book.note("failed", **{**note, **tried(failed.attempt)})
                return
            self._authentication.heed(machine, reply, password)
            if not reply.done:
                note = {"report": report, "machine": machine, "kind": "problem-state"}
                state.book.note("refused", **note, why=reply.problem)
            elif reply.members.get("state") == CLOSED:
                state.problems.note(report, state=CLOSED)
                state.book.note(
                    "problem-closed", report=report, machine=machine, pmh=told.get("pmh")
                )
                state.tell(f"IBM has closed {told.get('pmh')}")

    def _ask(self, session: ReceiverSession, entry: Queued) -> ServiceReply:
        if entry.kind == DATA:
            return upload(session, entry)
        return session.ask("PUT", f"{PATHS[entry.kind]}{entry.report}", entry.content)

    def _acknowledged(
        self, session: ReceiverSession, road: Road, entry: Queued, reply: ServiceReply
    ) -> None:
        state, members = self._state, reply.members
        if entry.kind == ENROLMENT:
            if not self._enrolment.accepted(entry, members):
                raise Elsewhere("the answer to the enrolment has no ID and password")
        elif entry.kind != DATA and not isinstance(members.get("transaction"), str):
            raise Elsewhere("the answer is no acknowledgement")
        pmh = str(members.get("pmh", ""))
        transaction = str(members.get("transaction", ""))
        state.book.note(
            "acknowledged", **_about(session, road, entry), transaction=transaction, pmh=pmh
        )
        if entry.kind == "problem":
            state.problems.note(entry.report, pmh=pmh, state=OPEN, transaction=transaction)
        if entry.kind != ENROLMENT:
            self._enrolment.password_holds(entry.machine)
        state.spool.remove(entry)
        self.sent.acknowledged.append(entry)
        state.tell(
            f"{entry.report} acknowledged{f' as {transaction}' if transaction else ''} "
            f"by {session.server.url}, way {road.name}"
        )

    def _not_done(
        self, session: ReceiverSession, road: Road, entry: Queued, reply: ServiceReply
    ) -> None:
        """A refusal for now, or for good; raises Elsewhere or WrongPassword."""
        state = self._state
        state.book.note("refused", **_about(session, road, entry), why=reply.problem)
        if entry.kind == ENROLMENT and reply.status == 409:
            self.sent.why = self._enrolment.known_already(session, entry)
        elif reply.status == 401 and entry.kind != ENROLMENT:
            raise WrongPassword
        elif reply.status in _NEVER or (entry.kind == DATA and reply.status == 404):
            moved = state.spool.refuse(entry)
            self.sent.refused.append(entry)
            if entry.kind == "problem":
                state.problems.note(entry.report, state=REFUSED)
            state.alerts.sound(
                f"refused-{entry.report}",
                f"IBM's side refuses {entry.report} for good: {reply.problem}",
                f"the report is kept as {moved}",
            )
        else:
            raise Elsewhere(reply.problem)

    def _acknowledge_password(self, road: Road, server: ServerUrl, machine: str) -> None:
        """Use the password that was offered: that ends the old one (E-09)."""
        state = self._state
        log_in = state.credentials.of(machine)
        if log_in is None or log_in.offered is None:
            return
        try:
            with self._open(road, server, "password") as session:
                self._authentication.log_in(session, machine, log_in.offered)
                reply = session.ask("PUT", PASSWORD, b"{}")
        except Unanswered as failed:
            state.book.note("failed", machine=machine, way=road.name, **tried(failed.attempt))
            return
        if reply.done:
            state.credentials.used(machine, log_in.offered, state.now())
            state.book.note("password-changed", machine=machine, server=server.url, way=road.name)
        else:
            state.book.note("refused", machine=machine, kind="password", why=reply.problem)

    def _failed(self, road: Road, entry: Queued, failed: Unanswered) -> None:
        attempt = failed.attempt
        self._state.book.note(
            "failed",
            report=entry.report, machine=entry.machine, way=road.name, **tried(attempt),
        )  # fmt: skip
        self.sent.why = f"way {road.name}: {attempt.sentence}"
        self._state.tell(self.sent.why)
        if failed.of_way:
            self._roads.close(road, attempt.why)


def _about(session: ReceiverSession, road: Road, entry: Queued) -> dict[str, object]:
    return {
        "report": entry.report,
        "kind": entry.kind,
        "machine": entry.machine,
        "reason": entry.reason,
        "way": road.name,
        "server": session.server.url,
        "address": session.attempt.address,
        "proxy": session.attempt.proxy,
    }
