"""The Events Manager: asks registered consoles what waits, shows it, and tells them what was decided.

No sockets: ``ask`` has them. Any thread may call.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol
from urllib.parse import quote

from lab.errors import ProtocolError
from lab.events_manager.console_desk import EVENTS, MARK, REGISTRATION, VERSION
from lab.events_manager.events import EventDecided, EventsListed, WaitingAsked
from lab.events_manager.peer import PeerAnswer, PeerError
from lab.names import check_known
from lab.record.event import Tell
from lab.topology.held_events import EVENTS_PORT, HeldEvents, HoldingConsole


class Asking(Protocol):
    """How a console is asked; raises PeerError."""

    def __call__(
        self, console: HoldingConsole, method: str, path: str, content: bytes = b""
    ) -> PeerAnswer: ...


class ListedEvent(NamedTuple):
    """An event that waits, as its console has told of it."""

    console: str
    identifier: str
    severity: int
    text: str
    time: float


class ShownEvent(NamedTuple):
    """What would be sent to IBM, and what has become of it."""

    console: str
    identifier: str
    data: bytes
    sha256: str
    state: str


class EventsManager:
    """One manager; ``note`` keeps an entry of the audit trail."""

    def __init__(
        self,
        plan: HeldEvents,
        ask: Asking,
        tell: Tell,
        note: Callable[[dict[str, object]], None],
    ) -> None:
        self._plan = plan
        self._ask = ask
        self._tell = tell
        self._note = note
        self._lock = threading.Lock()
        self._registered: set[str] = set()
        self._of: dict[str, HoldingConsole] = {}
        """Whose an event is, of those that consoles have told of."""

    def collect(self, *, daily: bool = False) -> tuple[list[ListedEvent], list[str]]:
        """Ask each registered console what waits: that, and in words which consoles do not answer."""
        found, problems = [], []
        for console in self._plan.registered:
            problem, own_port, events = "", 0, list[ListedEvent]()
            try:
                self._register(console)
                answer = self._ask(console, "GET", EVENTS)
                own_port = answer.own_port
                events = _read(console, answer)
            except PeerError as error:
                problem, own_port = f"{error}", error.own_port
                problems.append(f"{console.node} ({console.address}:{EVENTS_PORT}): {problem}")
            with self._lock:
                self._of |= dict.fromkeys((each.identifier for each in events), console)
            found += events
            self._tell(
                WaitingAsked(
                    source=self._plan.manager,
                    console=console.node,
                    address=console.address,
                    port=EVENTS_PORT,
                    own_port=own_port,
                    events=tuple(each.identifier for each in events),
                    problem=problem,
                    daily=daily,
                )
            )
        return found, problems

    def listed(self) -> tuple[list[ListedEvent], list[str]]:
        """The same, for somebody to see."""
        found, problems = self.collect()
        self._tell(
            EventsListed(
                source=self._plan.manager,
                consoles=tuple(each.console for each in found),
                events=tuple(each.identifier for each in found),
            )
        )
        return found, problems

    def shown(self, identifier: str) -> ShownEvent:
        """The data that would go; raises UsageError for an unknown event, ProtocolError without an answer."""
        console = self._console_of(identifier)
        try:
            place = f"{EVENTS}/{quote(identifier, safe='')}"
            data = self._ask(console, "GET", place).content
            state = self._ask(console, "GET", f"{place}/approval").members().get("state")
        except PeerError as error:
            raise _not_heard(console, error) from None
        sha256 = hashlib.sha256(data).hexdigest()
        return ShownEvent(console.node, identifier, data, sha256, f"{state}")

    def decide(self, identifier: str, sha256: str, by: str, means: str, *, approved: bool) -> str:
        """Approve or reject an event whose data somebody has seen; returns the event's state.

        Raises UsageError for an unknown event, ProtocolError if the console does not take it. Either way it
        is in the audit trail.
        """
        console = self._console_of(identifier)
        members = {MARK: VERSION, "approved": approved, "by": by, "sha256": sha256}
        path = f"{EVENTS}/{quote(identifier, safe='')}/approval"
        problem, state, own_port = "", "", 0
        try:
            answer = self._ask(console, "PUT", path, json.dumps(members).encode())
            own_port, state = answer.own_port, f"{answer.members().get('state')}"
        except PeerError as error:
            problem, own_port = f"{error}", error.own_port
        event = EventDecided(
            source=self._plan.manager,
            console=console.node,
            event=identifier,
            approved=approved,
            by=by,
            means=means,
            sha256=sha256,
            own_port=own_port,
            problem=problem,
        )
        self._note(
            {
                "time": event.time,
                "by": by,
                "means": means,
                "console": console.node,
                "event": identifier,
                "decision": "approved" if approved else "rejected",
                "sha256": sha256,
                "problem": problem,
            }
        )
        self._tell(event)
        if problem:
            raise _not_heard(console, PeerError(problem))
        return state

    def _register(self, console: HoldingConsole) -> None:
        """Make the manager known to a console, once (M-10); raises PeerError."""
        with self._lock:
            if console.node in self._registered:
                return
        content = json.dumps({MARK: VERSION, "name": self._plan.manager}).encode()
        self._ask(console, "PUT", REGISTRATION, content)
        with self._lock:
            self._registered.add(console.node)

    def _console_of(self, identifier: str) -> HoldingConsole:
        with self._lock:
            known = identifier in self._of
        if not known:
            self.collect()
        with self._lock:
            check_known("event", identifier, self._of)
            return self._of[identifier]


def _not_heard(console: HoldingConsole, error: PeerError) -> ProtocolError:
    where = f"{console.node} ({console.address}:{EVENTS_PORT})"
    return ProtocolError(
        f"{where} does not take it: {error}",
        hint="an event that waits goes on waiting; say it again when the console answers",
    )


def _read(console: HoldingConsole, answer: PeerAnswer) -> list[ListedEvent]:
    """What a console says; raises PeerError for what makes no sense."""
    listed = answer.members().get("events")
    found = []
    for each in listed if isinstance(listed, list) else [None]:
        told = each if isinstance(each, dict) else {}
        identifier, severity = told.get("id"), told.get("severity")
        text, time = told.get("text"), told.get("time")
        if (
            not (isinstance(identifier, str) and isinstance(text, str))
            or not isinstance(severity, int)
            or not isinstance(time, int | float)
        ):
            raise PeerError("its list of events makes no sense", answer.own_port)
        found.append(ListedEvent(console.node, identifier, severity, text, float(time)))
    return found
