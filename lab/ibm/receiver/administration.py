"""How the people at the receiver are heard: HTTP on the loopback of the servers' own node (E-10).

No agent can get there. One request a connection; JSON in and out; nothing of it is in the ledger, which is of
agents; what was done is in the store.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lab.agent.http1 import Malformed, Stream
from lab.ibm import nesting
from lab.ibm.answers import REASONS
from lab.ibm.receiver.configuration import Spoiled
from lab.ibm.receiver.refused import NotDone
from lab.ibm.shared import Shared
from lab.ibm.threads import STACK_BYTES
from lab.wait import Deadline

if TYPE_CHECKING:
    from lab.ibm.receiver.desk import Receiver

BODY_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024
_STEP_S = 30.0

Act = Callable[["Receiver", str, dict[str, Any]], dict[str, Any]]


def answer(receiver: Receiver, method: str, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """A status and a JSON object; sans-IO."""
    path = target.partition("?")[0]
    try:
        asked = nesting.parse(body) if body else {}
        if not isinstance(asked, dict):
            raise NotDone(400, "what came is no JSON object")
        found = [(e, m) for e in _ACTS if (m := re.fullmatch(f"/administration/{e[1]}", path))]
        if not found:
            raise NotDone(404, f"there is nothing of that name, but {', '.join(_SHOWN)}")
        for (verb, _, act), match in found:
            if verb == method:
                return 200, act(receiver, "".join(match.groups()), asked)
        raise NotDone(405, f"{method} is not understood here, but {found[0][0][0]}")
    except NotDone as error:
        return error.status, {"status": "refused", "problem": error.problem}
    except ValueError as error:
        return 400, {"status": "refused", "problem": f"what came is no JSON (RFC 8259): {error}"}


def _publish(receiver: Receiver, _: str, asked: dict[str, Any]) -> dict[str, Any]:
    servers, spoiled = asked.get("servers"), asked.get("spoiled", "")
    fits = servers is None or (
        isinstance(servers, dict)
        and all(
            isinstance(urls, list) and all(isinstance(url, str) for url in urls)
            for urls in servers.values()
        )
    )
    if not fits or spoiled not in [*Spoiled]:
        raise NotDone(
            400,
            'what is asked for is {"servers": {ERRAND: [URL, ...]}, "spoiled": TEXT}, with one of'
            f" {', '.join(repr(str(each)) for each in Spoiled)} as TEXT; both may be left out",
        )
    return {"version": receiver.publish(servers, Spoiled(spoiled))}


def _reset(receiver: Receiver, identity: str, _: dict[str, Any]) -> dict[str, Any]:
    receiver.reset(identity)
    return {"id": identity, "state": "carried out"}


def _change(receiver: Receiver, identity: str, _: dict[str, Any]) -> dict[str, Any]:
    receiver.change_password_now(identity)
    return {"id": identity, "state": "offered from now on"}


def _close(receiver: Receiver, number: str, _: dict[str, Any]) -> dict[str, Any]:
    receiver.close_problem(number)
    return {"pmh": number, "state": "closed"}


_ACTS: tuple[tuple[str, str, Act], ...] = (
    (
        "GET",
        "(machines|problems|removals|acts)",
        lambda receiver, what, _: {what: receiver.listing(what)},
    ),
    ("POST", "resets/([^/]+)", _reset),
    ("POST", "password-changes/([^/]+)", _change),
    ("POST", "closings/([^/]+)", _close),
    ("POST", "configuration", _publish),
    ("POST", "retention", lambda receiver, _, asked: {"removed": receiver.purge()}),
)
_SHOWN = [f"{verb} /administration/{name.replace('([^/]+)', 'ID')}" for verb, name, _ in _ACTS]


class AdministrationTalk:
    """One connection; runs in a thread of its own, ``abort`` may come from another one."""

    stack_bytes = STACK_BYTES

    def __init__(self, connection: socket.socket, shared: Shared) -> None:
        self._socket = connection
        self._shared = shared
        self._deadline = Deadline(_STEP_S)
        self._lock = threading.Lock()
        self._open = True

    def run(self) -> None:
        """Answer one request; nothing that a peer does raises out of here."""
        try:
            with contextlib.suppress(OSError):
                self._socket.sendall(self._exchange())
        finally:
            with self._lock:
                self._open = False
                self._socket.close()

    def abort(self) -> None:
        """Make every blocking call of ``run`` return, so that its thread ends."""
        with self._lock, contextlib.suppress(OSError):
            if self._open:
                self._socket.shutdown(socket.SHUT_RDWR)

    def _exchange(self) -> bytes:
        stream = Stream(self._receive)
        try:
            head = stream.head()
            if head is None:
                return b""
            method, target, _ = head.request_line()
            length = head.body_length() or 0
            body = bytearray()
            for part in stream.body(length):
                body += part
                if len(body) > BODY_BYTES:
                    raise Malformed(413, f"a body of more than {BODY_BYTES} bytes")
        except Malformed as error:
            return _rendered(error.status, {"status": "refused", "problem": str(error)})
        return _rendered(*answer(self._shared.receiver, method, target, bytes(body)))

    def _receive(self) -> bytes:
        self._socket.settimeout(self._deadline.left_s or 0.001)
        return self._socket.recv(_READ_BYTES)


def _rendered(status: int, members: dict[str, Any]) -> bytes:
    content = json.dumps(members).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
