"""What a console whose events wait answers its Events Manager: docs/events-manager.md. No sockets."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable

from lab.agent.web.exchange import WebReply, WebRequest
from lab.events_manager.events import ConsoleRegistered, DecisionHeard
from lab.events_manager.waiting import HeldEvent, NoSuchEvent, NotToBeDecided, WaitingEvents
from lab.record.event import Tell
from lab.topology.held_events import HoldingConsole

VERSION = 1
MARK = "events-manager"
REGISTRATION, EVENTS = "/manager", "/events"
CONTENT_BYTES = 64 * 1024
NAME_CHARACTERS = 64


class HoldingDesk:
    """One console's; several threads may ask at once. ``approved`` is called with what may be sent."""

    path = EVENTS
    content_bytes = CONTENT_BYTES

    def __init__(
        self,
        console: HoldingConsole,
        events: WaitingEvents,
        approved: Callable[[str], None],
        tell: Tell,
    ) -> None:
        self._console = console
        self._login = f"Bearer {console.token.reveal()}".encode()
        self._events = events
        self._approved = approved
        self._tell = tell
        self._manager = ""
        """The manager's address; empty before the console is registered."""

    def answer(self, request: WebRequest) -> WebReply:
        given = request.fields.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._login):
            challenge = ("WWW-Authenticate", 'Bearer realm="events"')
            return refusal(401, "the token of the registration is needed (RFC 6750)", challenge)
        try:
            if request.path == REGISTRATION:
                return self._register(request)
            if request.peer != self._manager:
                return refusal(403, f"{request.peer} has not registered {self._console.node}")
            return self._of_events(request)
        except NoSuchEvent as error:
            return refusal(404, f"{self._console.node} has no event {error}")
        except NotToBeDecided as error:
            return refusal(409, f"{error}")
        except (ValueError, RecursionError) as error:
            return refusal(400, f"the request makes no sense: {error}")

    def _register(self, request: WebRequest) -> WebReply:
        if request.method != "PUT":
            return refusal(405, "a registration is PUT there")
        name = _member(_read(request.body), "name")
        if self._manager != request.peer:
            self._manager = request.peer
            event = ConsoleRegistered(source=self._console.node, manager=name, address=request.peer)
            self._tell(event)
        return reply(200, {MARK: VERSION, "console": self._console.node})

    def _of_events(self, request: WebRequest) -> WebReply:
        _, base, *rest = request.path.split("/")
        if f"/{base}" != EVENTS or len(rest) > 2 or rest[1:] not in ([], ["approval"]):
            return refusal(404, f"there is {EVENTS}, {EVENTS}/ID and {EVENTS}/ID/approval")
        wanted = "PUT" if rest[1:] and request.method != "GET" else "GET"
        if request.method != wanted:
            return refusal(405, "events are got, and an approval is PUT")
        if not rest:
            listed = [_told(each) for each in self._events.waiting()]
            return reply(200, {MARK: VERSION, "events": listed})
        event = self._events.find(rest[0])
        if not rest[1:]:
            return WebReply(200, event.data.decode(), kind="application/json")
        if request.method == "PUT":
            self._decide(event, _read(request.body))
        return reply(200, {MARK: VERSION, "state": event.state, "by": event.by})

    def _decide(self, event: HeldEvent, members: dict[str, object]) -> None:
        approved = members.get("approved")
        if not isinstance(approved, bool):
            raise ValueError("approved is neither true nor false")
        by, sha256 = _member(members, "by"), _member(members, "sha256")
        if self._events.decide(event.identifier, sha256, by, approved=approved):
            heard = DecisionHeard(
                source=self._console.node, event=event.identifier, approved=approved, by=by
            )
            self._tell(heard)
        if approved:
            self._approved(event.identifier)


def _told(event: HeldEvent) -> dict[str, object]:
    return {
        "id": event.identifier,
        "severity": event.severity,
        "text": event.text,
        "time": event.time,
        "sha256": event.sha256,
    }


def _read(body: bytes) -> dict[str, object]:
    members = json.loads(body)
    if not isinstance(members, dict) or members.get(MARK) != VERSION:
        raise ValueError(f"it is no object with {MARK}: {VERSION}")
    return members


def _member(members: dict[str, object], name: str) -> str:
    value = members.get(name)
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= NAME_CHARACTERS
        or not value.isprintable()
    ):
        raise ValueError(f"{name} is no text of 1 to {NAME_CHARACTERS} characters")
    return value


def refusal(status: int, problem: str, *fields: tuple[str, str]) -> WebReply:
    return reply(status, {"status": "refused", "problem": problem}, *fields)


def reply(status: int, members: dict[str, object], *fields: tuple[str, str]) -> WebReply:
    return WebReply(status, json.dumps(members) + "\n", *fields, kind="application/json")
