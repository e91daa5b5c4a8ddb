"""A connection to one of IBM's servers for several requests, with a log-in in the first of them (E-08).

What is asked belongs to ``courier`` and others; the way there is ``connection``'s.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import Any

from lab.agent.connection import (
    READ_BYTES,
    Approach,
    cause_of,
    describe,
    in_its_words,
    reach,
    secure,
)
from lab.agent.heartbeat import AGENT
from lab.agent.http1 import Malformed, Stream
from lab.agent.message import Attempt, ServerUrl
from lab.agent.proxied import ProxyRefused, ProxyUrl
from lab.record.cause import AgentCause

CONNECT_S = 60.0
"""For a connection, from resolving the name to the end of the TLS handshake."""
REQUEST_S = 60.0
RATE_BYTE_S = 100.0
"""A request with a content has more time: as much as a modem at 1200 bit/s takes."""
ANSWER_BYTES = 64 << 20
_GOODBYE_S = 5.0


class Unanswered(Exception):
    """A server gave no answer: the connection did not come about, broke, or made no sense."""

    def __init__(self, attempt: Attempt, *, of_way: bool = False) -> None:
        super().__init__(attempt.why)
        self.attempt = attempt
        self.of_way = of_way
        """Whether the way itself is busy or unavailable, so that no other server is reached by it."""


class ServiceReply:
    """What a server answers: a status and a content."""

    def __init__(self, status: int, reason: str, fields: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.body = body

    @property
    def done(self) -> bool:
        return 200 <= self.status < 300

    @property
    def members(self) -> dict[str, Any]:
        """The content's JSON object; an empty one if it is none."""
        try:
            told = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}

    @property
    def problem(self) -> str:
        """Why the server refuses, in its words."""
        return f"{self.status} {self.reason}{in_its_words(self.members.get('problem'))}"


class ReceiverSession:
    """Made by ``open_session``; use it as a context manager."""

    def __init__(self, connection: socket.socket, approach: Approach) -> None:
        self.server = approach.server
        self.attempt = approach.attempt
        """How far it came; its address is the one that was reached."""
        self.log_in = ""
        """ID and password of the next request, ``ID:PASSWORD``; it is said once."""
        self.over = False
        """Whether the server ends the connection, so that nothing more can be asked."""
        self._connection = connection
        self._tell = approach.tell
        self._end = 0.0
        self._allowed_s = REQUEST_S
        self._stream = Stream(self._receive)

    def ask(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        *,
        content_type: str = "application/json",
        fields: Mapping[str, str] | None = None,
    ) -> ServiceReply:
        """Ask, and wait for the answer, whatever its status; raises Unanswered."""
        self.attempt.phase = "request"
        self._allowed_s = REQUEST_S + len(content) / RATE_BYTE_S
        self._end = time.monotonic() + self._allowed_s
        head = self._head(method, path, len(content), {**(fields or {})}, content_type)
        try:
            self._connection.settimeout(self._allowed_s)
            self._connection.sendall(head + content)
            self.attempt.phase = "acknowledgement"
            return self._reply(method)
        except TimeoutError:
            self.over = True
            self.attempt.fail(AgentCause.timed_out, f"{self._allowed_s:g}")
            raise Unanswered(self.attempt) from None
        except (OSError, ValueError) as error:
            self.over = True
            self.attempt.fail(cause_of(error, self.attempt.phase), describe(error))
            raise Unanswered(self.attempt) from error

    def _head(
        self, method: str, path: str, size: int, fields: dict[str, str], content_type: str
    ) -> bytes:
        if self.log_in:
            basic = b2a_base64(self.log_in.encode(), newline=False).decode()
            fields["Authorization"] = f"Basic {basic}"  # RFC 7617
            self.log_in = ""
        if method not in ("GET", "HEAD"):
            fields |= {"Content-Type": content_type, "Content-Length": str(size)}
        lines = [
            f"{method} {self.server.path}{path} HTTP/1.1",
            f"Host: {self.server.authority}",
            f"User-Agent: {AGENT}",
            *(f"{name}: {value}" for name, value in fields.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def _reply(self, method: str) -> ServiceReply:
        while True:
            head = self._stream.head()
            if head is None:
                raise Malformed(400, "the server ended the connection without an answer")
            status, reason = head.status_line()
            if status >= 200:  # RFC 9110 15.2: interim answers are passed over
                break
        length = head.body_length()
        if method == "HEAD" or status in (204, 304):
            length = 0
        self.over = length is None or head.lists("connection", "close")
        self.over = self.over or head.start.startswith("HTTP/1.0")
        body = bytearray()
        for part in self._stream.body(length):
            body += part
            if len(body) > ANSWER_BYTES:
                raise Malformed(400, f"the answer is longer than {ANSWER_BYTES} bytes")
        return ServiceReply(status, reason, head.fields, bytes(body))

    def _receive(self) -> bytes:
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        return self._connection.recv(READ_BYTES)

    def close(self) -> None:
        """End TLS in order, so that the last packets are no resets."""
        with self._connection:
            if not isinstance(self._connection, ssl.SSLSocket):
                return
            try:
                self._connection.settimeout(_GOODBYE_S)
                self._connection.unwrap()
            except (OSError, ValueError) as error:  # ValueError: the handshake's socket has gone
                self._tell(f"the goodbye was not answered: {describe(error)}")

    def __enter__(self) -> ReceiverSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_session(
    server: ServerUrl,
    proxy: ProxyUrl | None,
    context: ssl.SSLContext,
    *,
    errand: str = "",
    story: Callable[[str], None] = lambda line: None,
    family: int = 0,
    total_s: float = CONNECT_S,
) -> ReceiverSession:
    """Connect to a server; raises Unanswered, which says why and at which phase that failed."""
    attempt = Attempt(server.url, proxy.url if proxy else "", errand)
    approach = Approach(server, proxy, attempt, total_s, story, family)
    try:
        connection = reach(approach)
        try:
            if not server.clear:
                connection = secure(approach, connection, context)
        except (OSError, ValueError):
            connection.close()
            raise
    except TimeoutError:
        attempt.fail(AgentCause.timed_out, f"{total_s:g}")
        # A proxy that is silent after CONNECT waits for the server: the next one may answer.
        raise Unanswered(attempt, of_way=attempt.phase == "proxy") from None
    except (OSError, ValueError) as error:
        attempt.fail(cause_of(error, attempt.phase), describe(error))
        raise Unanswered(attempt, of_way=_is_of_way(error, attempt.phase)) from error
    return ReceiverSession(connection, approach)


def _is_of_way(error: OSError | ValueError, phase: str) -> bool:
    """Whether a proxy is unavailable (OUT-14): silent, shut, or it does not let us in.

    One that refuses for a server (403, 502, 503, 504) may reach the next one: squid answers 503 also where
    it is the server that does not answer. If it reaches none, it is busy, and the next way has its turn.
    """
    if isinstance(error, ProxyRefused):
        return error.status == 407
    return phase in ("proxy", "CONNECT")
