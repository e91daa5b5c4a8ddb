"""The receiver: does the operations of its document, from a request, who is on the connection and the time to
an answer. Nothing here knows of sockets.

Also what the people at the receiver do: methods that begin a transaction of their own, any thread may call.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.ibm import errands, nesting
from lab.ibm.answers import Answer, HttpRequest
from lab.ibm.receiver import (
    configuration,
    credentials,
    document,
    reports,
    retention,
    schema,
    uploads,
)
from lab.ibm.receiver.credentials import DAY_S, Peer
from lab.ibm.receiver.document import Operation
from lab.ibm.receiver.identity import MachineName, access_key
from lab.ibm.receiver.refused import NotDone
from lab.ibm.receiver.store import STORE_BYTES, Store
from lab.topology import receiving
from lab.topology.errand_kinds import ErrandKind
from lab.topology.servers import ListedServer

KIND = "service: "
"""How the ledger's ``kind`` begins."""
KEY_LIVES_S = 180 * DAY_S
"""An access key (E-19); the papers name no time: lab's choice."""
KEY_RENEWED_S = 30 * DAY_S
"""Before the end of a key: whoever asks then gets the next one."""
STORE_FILE = "receiver.sqlite"
KEY_FILE = "receiver.key"

Given = tuple[int, Any]
"""A status, and what the JSON says or the bytes of another content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ServiceCall:
    """A request that fits the document."""

    path: Mapping[str, str]
    fields: Mapping[str, str]
    content: Any
    """Of JSON the value, else bytes."""
    digest: str
    text: str
    peer: Peer
    now: float


class Receiver:
    """One for all of IBM's servers of a lab; any thread may ask."""

    def __init__(
        self,
        logs_dir: Path,
        keys_dir: Path,
        servers: tuple[ListedServer, ...],
        configured: Mapping[str, Iterable[str]],
        *,
        clock: Callable[[], float] = time.time,
        store_bytes: int = STORE_BYTES,
    ) -> None:
        """``servers``: all of the lab's, which decide who does what. ``configured``: what the first
        configuration says, errand to URLs. Opens nothing yet."""
        self._store = Store(logs_dir / STORE_FILE, keys_dir / KEY_FILE, most_bytes=store_bytes)
        self._signing_key = keys_dir / configuration.PRIVATE_FILE
        self._servers = servers
        self._configured = {errand: [*urls] for errand, urls in configured.items()}
        self._clock = clock
        self._do: dict[str, Callable[[_ServiceCall], Given]] = {
            "enrolment": self._enrol,
            "reset": self._ask_reset,
            "password": self._acknowledge_password,
            "heartbeat": self._report("heartbeat"),
            "inventory": self._report("inventory"),
            "performance": self._report("performance"),
            "problem": self._report(reports.PROBLEM),
            "problem_state": self._problem_state,
            "upload_declaration": self._declare_upload,
            "upload_state": self._upload_state,
            "upload": self._upload,
            "configuration": self._configuration,
            "fixes": self._fixes,
            "fix": self._fix,
            "access_key": self._access_key,
            "openapi": lambda asked: (200, document.text()),
        }

    def close(self) -> None:
        self._store.close()

    def answer(
        self,
        request: HttpRequest,
        fields: Mapping[str, str],
        peer: Peer,
        listed: ListedServer,
    ) -> Answer:
        """Do what a request at a server asks for; ``fields`` are those of the head, names in lower case."""
        kind, peer.about = "request", ""
        path: dict[str, str] = {}
        try:
            operation, path = document.find(request.method, request.target)
            kind = KIND + operation.id.replace("_", "-")
            _check_place(operation, peer, fields, listed, self._servers)
            with self._store.transaction():
                status, said = self._done(operation, request, path, fields, peer)
        except NotDone as error:
            content = _json({"status": "refused", "problem": error.problem, **error.members})
            return _answer(
                error.status, content, _JSON, kind, peer, path, error.problem, error.fields
            )
        content = said if isinstance(said, bytes) else _json(said)
        return _answer(status, content, _TYPES.get(operation.id, _JSON), kind, peer, path)

    def _done(
        self,
        operation: Operation,
        request: HttpRequest,
        path: Mapping[str, str],
        fields: Mapping[str, str],
        peer: Peer,
    ) -> Given:
        """Inside a transaction: authenticate, check, do, offer a password."""
        now = self._clock()
        retention.purge(self._store, now)
        change: dict[str, Any] = {}
        if operation.authenticated:
            credentials.authenticate(self._store, peer, fields.get("authorization", ""), now)
            offered, too_old = credentials.offer(self._store, peer, now)
            if offered is not None:
                change = {"password_change": {"password": offered.reveal()}}
            if too_old:
                refused = NotDone(403, _TOO_OLD)
                refused.members = change
                raise refused
        document.check_parameters(operation, path, fields)
        content, text = _content(operation, request, fields)
        asked = _ServiceCall(
            path=path,
            fields=fields,
            content=content,
            digest=hashlib.sha256(text.encode()).hexdigest() if text else "",
            text=text,
            peer=peer,
            now=now,
        )
        status, said = self._do[operation.id](asked)
        return status, {**said, **change} if isinstance(said, dict) else said

    def _enrol(self, asked: _ServiceCall) -> Given:
        asked.peer.about = str(MachineName(**asked.content["machine"]))
        fresh, said = credentials.enrol(
            self._store, asked.path["report"], asked.digest, asked.content, asked.now
        )
        return (201 if fresh else 200), said

    def _ask_reset(self, asked: _ServiceCall) -> Given:
        asked.peer.about = str(MachineName(**asked.content["machine"]))
        return 202, credentials.ask_reset(self._store, asked.content, asked.now)

    def _acknowledge_password(self, asked: _ServiceCall) -> Given:
        row = self._store.one("SELECT since FROM systems WHERE id = ?", asked.peer.id)
        assert row is not None, "it has authenticated"
        return 200, {"since": row["since"]}

    def _report(self, kind: str) -> Callable[[_ServiceCall], Given]:
        def put(asked: _ServiceCall) -> Given:
            report = asked.path["report"]
            fresh, row = reports.put(
                self._store, asked.peer.id, kind, report, asked.digest, asked.text, asked.now
            )
            return (201 if fresh else 200), reports.acknowledgement(row)

        return put

    def _problem_state(self, asked: _ServiceCall) -> Given:
        return 200, reports.state(reports.problem(self._store, asked.peer.id, asked.path["report"]))

    def _declare_upload(self, asked: _ServiceCall) -> Given:
        report, name = asked.path["report"], asked.path["name"]
        fresh, said = uploads.declare(self._store, asked.peer.id, report, name, asked.content)
        return (201 if fresh else 200), said

    def _upload_state(self, asked: _ServiceCall) -> Given:
        return 200, uploads.state(
            self._store, asked.peer.id, asked.path["report"], asked.path["name"]
        )

    def _upload(self, asked: _ServiceCall) -> Given:
        report, name = asked.path["report"], asked.path["name"]
        offset = int(asked.fields["upload-offset"])
        return 200, uploads.take(
            self._store, asked.peer.id, report, name, offset, asked.content, asked.now
        )

    def _configuration(self, asked: _ServiceCall) -> Given:
        row = self._store.one("SELECT jws FROM configurations ORDER BY version DESC LIMIT 1")
        text = row["jws"] if row is not None else self._publish(self._configured, asked.now)
        return 200, text.encode()

    def _fixes(self, asked: _ServiceCall) -> Given:
        row = self._store.one("SELECT fix_order FROM systems WHERE id = ?", asked.peer.id)
        assert row is not None, "it has authenticated"
        digest = hashlib.sha256(errands.fix(errands.FIX)).hexdigest()
        return 200, {"fixes": {f"{row['fix_order']}/{errands.FIX}": digest}}

    def _fix(self, asked: _ServiceCall) -> Given:
        order, name = asked.path["order"], asked.path["fix"]
        row = self._store.one("SELECT type, model, serial FROM systems WHERE fix_order = ?", order)
        if row is None:
            raise NotDone(
                403, "no enrolled machine has this order: a machine enrols before it gets a fix"
            )
        asked.peer.about = str(MachineName(row["type"], row["model"], row["serial"]))
        if name != errands.FIX:
            raise NotDone(404, f"there is no fix {name}")
        return 200, errands.fix(name)

    def _access_key(self, asked: _ServiceCall) -> Given:
        row = self._store.one(
            "SELECT key_number, key_expires FROM systems WHERE id = ?", asked.peer.id
        )
        assert row is not None, "it has authenticated"
        number, expires = row["key_number"], row["key_expires"]
        if expires - asked.now < KEY_RENEWED_S:
            number, expires = number + 1, math.floor(asked.now + KEY_LIVES_S)
            self._store.write(
                "UPDATE systems SET key_number = ?, key_expires = ? WHERE id = ?",
                number,
                expires,
                asked.peer.id,
            )
        key = access_key(self._store.key, asked.peer.id, number)
        return 200, {"key": key.reveal(), "expires": expires}

    def publish(self, servers: Mapping[str, Iterable[str]]) -> int:
        """Sign a new configuration, which agents get from now on, and say the version (R-04)."""
        with self._store.transaction():
            self._publish(servers, self._clock())
            row = self._store.one("SELECT max(version) FROM configurations")
            assert row is not None, "it has just been written"
            return int(row[0])

    def _publish(self, servers: Mapping[str, Iterable[str]], now: float) -> str:
        row = self._store.one("SELECT coalesce(max(version), 0) + 1 FROM configurations")
        assert row is not None, "a maximum is a row"
        named = {errand: [*urls] for errand, urls in servers.items()}
        try:
            text = configuration.signed(row[0], now, named, self._signing_key)
        except ValueError as error:
            raise NotDone(503, f"the configuration cannot be signed: {error}") from error
        self._store.insert(
            "configurations", version=row[0], issued=now, servers=json.dumps(named), jws=text
        )
        return text

    def reset(self, identity: str) -> None:
        """Carry out a machine's reset (E-10)."""
        with self._store.transaction():
            credentials.reset(self._store, identity)

    def change_password_now(self, identity: str) -> None:
        """Offer the machine its next password from now on (E-09)."""
        with self._store.transaction():
            credentials.change_now(self._store, identity)

    def close_problem(self, number: str) -> None:
        """Close a problem by the number that the machine was told; 60 days later it is deleted (E-21)."""
        with self._store.transaction():
            reports.close(self._store, number, self._clock())

    def purge(self) -> int:
        """Delete what is due, and say how much that was (E-21)."""
        with self._store.transaction():
            return retention.purge(self._store, self._clock())


_JSON = "application/json"
_TYPES = {"configuration": "application/jose", "fix": "application/octet-stream"}
"""Of contents that are no JSON."""
_TOO_OLD = (
    "the password is older than 183 days, and nothing is served to it but the next password, which is in"
    " password_change; fix: store that one, and use it"
)


def _check_place(
    operation: Operation,
    peer: Peer,
    fields: Mapping[str, str],
    listed: ListedServer,
    servers: Iterable[ListedServer],
) -> None:
    """NotDone where an operation is not done at this port, or at this server."""
    if not peer.encrypted and not operation.in_clear:
        raise NotDone(403, "this is served by HTTPS alone")
    if not peer.encrypted and "authorization" in fields:
        raise NotDone(403, "an ID and a password never go by HTTP in clear; fix: use HTTPS")
    if operation.errand and not receiving.does(listed, operation.errand, servers):
        kind = ErrandKind(operation.errand)
        does = ", ".join(listed.serves)
        raise NotDone(421, f"{listed.name} does not do {kind}, but {does}")


def _content(
    operation: Operation, request: HttpRequest, fields: Mapping[str, str]
) -> tuple[Any, str]:
    """What a request carries, checked; of JSON also as text in one form, whatever blanks it came with."""
    if not operation.content_type:
        return b"", ""
    given = fields.get("content-type", "").partition(";")[0].strip().lower()
    if given != operation.content_type:
        came = given or "a content without a type"
        raise NotDone(415, f"what is asked for is {operation.content_type}, and {came} came")
    if not operation.takes_json:
        return request.body, ""
    try:
        value = nesting.parse(request.body)
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError as error:
        raise NotDone(400, f"what came is no JSON (RFC 8259): {error}") from error
    if found := [*schema.complaints(value, operation.content)]:
        raise NotDone(400, "; ".join(found[:_MOST_COMPLAINTS]))
    return value, text


_MOST_COMPLAINTS = 5
_REPORT_CHARACTERS = 64
"""Of an identifier, in the ledger."""


def _json(members: object) -> bytes:
    return json.dumps(members).encode() + b"\n"


def _answer(
    status: int,
    content: bytes,
    content_type: str,
    kind: str,
    peer: Peer,
    path: Mapping[str, str],
    detail: str = "",
    fields: tuple[tuple[str, str], ...] = (),
) -> Answer:
    return Answer(
        status=status,
        content=content,
        kind=kind,
        system=peer.about or peer.system,
        detail=detail,
        fields=(("Server", "callhome-lab"), ("Content-Type", content_type), *fields),
        report=path.get("report", "")[:_REPORT_CHARACTERS],
        authenticated_as=peer.id,
        understood=True,
    )
