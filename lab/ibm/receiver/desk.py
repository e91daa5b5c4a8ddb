"""The receiver: from a request, who is on the connection and the time to an answer, by the document. Nothing
here knows of sockets.

Also what the people at the receiver do: methods that begin a transaction of their own, any thread may call.
They raise NotDone if there is no such machine or problem.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.ibm import nesting
from lab.ibm.answers import Answer, HttpRequest
from lab.ibm.receiver import (
    configuration,
    credentials,
    document,
    handing_on,
    listing,
    reports,
    retention,
    schema,
)
from lab.ibm.receiver.configuration import Spoiled
from lab.ibm.receiver.credentials import Peer
from lab.ibm.receiver.document import Operation
from lab.ibm.receiver.keeper import RetentionKeeper
from lab.ibm.receiver.operations import Given, Operations, ServiceCall
from lab.ibm.receiver.refused import NotDone
from lab.ibm.receiver.store import STORE_BYTES, Store
from lab.topology import receiving
from lab.topology.servers import ListedServer, Speaks

if TYPE_CHECKING:
    from lab.ibm.back_ends import BackEnds

KIND = "service: "
"""How the ledger's ``kind`` begins."""
STORE_FILE = "receiver.sqlite"
KEY_FILE = "receiver.key"
_JSON = "application/json"
_BINARY = "application/octet-stream"
_TYPES = {"configuration": "application/jose", "fix": _BINARY, "update": _BINARY}
"""Of contents that are no JSON."""
_TOO_OLD = (
    "the password is older than 183 days, and nothing is served to it but the next password, which is in"
    " password_change; fix: store that one, and use it"
)
_MOST_COMPLAINTS = 5
_REPORT_CHARACTERS = 64
"""Of an identifier, in the ledger."""


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
        self._operations = Operations(self._store, self._signing_key, self._configured)
        self._keeper: RetentionKeeper | None = None

    def keep_time(self) -> None:
        """Delete by the clock what is due, and not only with the next request; ``clock`` is the machine's."""
        self._keeper = RetentionKeeper(self.purge, self._clock)
        self._keeper.start()

    @property
    def store(self) -> Store:
        """For who works at IBM's side: each use is a transaction."""
        return self._store

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.end()
        self._store.close()

    def answer(
        self,
        request: HttpRequest,
        fields: Mapping[str, str],
        peer: Peer,
        listed: ListedServer,
        back_ends: BackEnds | None = None,
    ) -> Answer:
        """Do what a request at a server asks for, or have it done by the one of ``back_ends`` that does that.

        ``fields`` are those of the head, names in lower case.
        """
        kind, peer.about = "request", ""
        path: dict[str, str] = {}
        try:
            operation, path = document.find(request.method, request.target)
            kind = KIND + operation.id.replace("_", "-")
            _check_place(operation, peer, fields, listed, self._servers)
            if back_ends is not None and (one := back_ends.doing(operation.errand)) is not None:
                said = handing_on.answer(back_ends, one, operation, request, fields, peer, kind)
                return replace(said, report=path.get("report", "")[:_REPORT_CHARACTERS])
            with self._store.transaction():
                status, said = self._done(operation, request, path, fields, peer)
            self._look_ahead()
        except NotDone as error:
            content = _json({"status": "refused", "problem": error.problem, **error.members})
            return _answer(
                error.status, content, _JSON, kind, peer, path, error.problem, error.fields
            )
        content = said if isinstance(said, bytes) else _json(said)
        told = _answer(status, content, _TYPES.get(operation.id, _JSON), kind, peer, path)
        promised = next(iter(said["fixes"].values())) if operation.id == "fixes" else ""
        return replace(told, promised=promised)

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
        call = ServiceCall(path=path, fields=fields, content=content, text=text, peer=peer, now=now)
        status, said = self._operations.do(operation.id, call)
        return status, {**said, **change} if isinstance(said, dict) else said

    def publish(
        self,
        servers: Mapping[str, Iterable[str]] | None = None,
        spoiled: Spoiled = Spoiled.not_at_all,
    ) -> int:
        """Sign a new configuration, which agents get from now on, and say the version (R-04). ``servers``:
        errand to URLs; without, what the first one had."""
        named = self._configured if servers is None else servers
        with self._act("publish", str(spoiled)) as now:
            version, _ = configuration.publish(self._store, self._signing_key, named, now, spoiled)
            return version

    def reset(self, identity: str) -> None:
        """Carry out a machine's reset (E-10)."""
        with self._act("reset", identity):
            credentials.reset(self._store, identity)

    def change_password_now(self, identity: str) -> None:
        """Offer the machine its next password from now on (E-09)."""
        with self._act("change password", identity):
            credentials.change_now(self._store, identity)

    def give_access_keys(self, lives_s: float) -> None:
        """Let the access keys that are given from now on live for so long (E-19)."""
        self._operations.key_lives_s = lives_s

    def close_problem(self, number: str) -> None:
        """Close a problem by the number that the machine was told; 60 days later it is deleted (E-21)."""
        with self._act("close", number) as now:
            reports.close(self._store, number, now)

    def purge(self) -> int:
        """Delete what is due, and say how much that was (E-21)."""
        with self._store.transaction():
            removed = retention.purge(self._store, self._clock())
        self._look_ahead()
        return removed

    def listing(self, what: str) -> list[dict[str, Any]]:
        """``machines``, ``problems``, ``removals`` or ``acts``: see ``listing``."""
        with self._store.transaction():
            return listing.LISTS[what](self._store)

    @contextlib.contextmanager
    def _act(self, act: str, subject: str) -> Iterator[float]:
        """What somebody at the receiver does, noted if it is done; yields the time."""
        now = self._clock()
        with self._store.transaction():
            yield now
            self._store.insert("acts", time=now, act=act, subject=subject)
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Tell the keeper what is due next."""
        if self._keeper is None:
            return
        with contextlib.suppress(NotDone), self._store.transaction():
            self._keeper.look(retention.next_due(self._store))


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
    if not (errand := operation.errand):
        return
    # Behind a front end a server does what it is there for, whatever the tables say of the front end.
    inner = listed.speaks is Speaks.inner
    if not (errand in listed.serves if inner else receiving.does(listed, errand, servers)):
        does = ", ".join(listed.serves)
        raise NotDone(421, f"{listed.name} does not do {errand}, but {does}")


def _content(
    operation: Operation, request: HttpRequest, fields: Mapping[str, str]
) -> tuple[Any, str]:
    """What a request carries, checked; of JSON also as text in one form."""
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
        text.encode()  # half a character of UTF-16 is none
    except ValueError as error:
        raise NotDone(400, f"what came is no JSON (RFC 8259): {error}") from error
    if found := [*schema.complaints(value, operation.content)]:
        raise NotDone(400, "; ".join(found[:_MOST_COMPLAINTS]))
    return value, text


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
