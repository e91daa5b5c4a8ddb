"""The servers behind IBM's front end, as the front end asks them: a connection of HTTPS for each request
(OUT-37). What is asked, and what becomes of the answer, is decided by who asks.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.agent.http1 import Malformed, Stream
from lab.ibm.answers import HttpRequest
from lab.ibm.conversation import describe
from lab.topology.servers import BackEnd

if TYPE_CHECKING:
    from lab.linux.nodes import Node

BACK_END_S = 10.0
"""Lab time for one step of a connection to a server behind the front end; agents are more patient."""
ANSWER_BYTES = 1 << 20
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BackEndSaid:
    """What a server behind the front end has answered."""

    status: int
    """503 if it did not, and 502 if that makes no sense."""
    came_from: int
    """From which port of the front end it was asked; 0 if no connection came about."""
    problem: str = ""
    """Why there is no answer: ``does not answer: timed out``."""
    content: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Of the answer's head, names in lower case."""

    @property
    def content_type(self) -> str:
        return self.fields.get("content-type", "application/json")


class BackEnds:
    """All of them; any thread may ask."""

    def __init__(
        self, node: Node | None, back_ends: tuple[BackEnd, ...], ca_file: str, port: int
    ) -> None:
        """``node``: from where they are called; ``ca_file``: whom to trust there."""
        self._node = node
        self._by_kind = {kind: one for one in back_ends for kind in one.serves}
        self._port = port
        self._context = ssl.create_default_context(cafile=ca_file) if back_ends else None

    def doing(self, kind: str) -> BackEnd | None:
        """Who does an errand, if anybody does behind the front end."""
        return self._by_kind.get(kind)

    def ask(
        self, back_end: BackEnd, request: HttpRequest, fields: Iterable[tuple[str, str]]
    ) -> BackEndSaid:
        """Hand a request on, with fields of the head beside those that every request has."""
        came_from = 0
        try:
            with self._reach(back_end) as connection:
                came_from = connection.getsockname()[1]
                return _ask(connection, request, back_end.node, fields, came_from)
        except OSError as error:
            status, problem = 503, f"does not answer: {describe(error)}"
        except Malformed as error:
            status, problem = 502, f"makes no sense: {error}"
        return BackEndSaid(status=status, came_from=came_from, problem=problem)

    @contextlib.contextmanager
    def _reach(self, back_end: BackEnd) -> Iterator[ssl.SSLSocket]:
        assert self._context is not None, "there are servers behind this one"
        assert self._node is not None, "they are called from somewhere"
        opened = self._node.call(socket.socket, socket.AF_INET, socket.SOCK_STREAM)
        with opened:
            opened.settimeout(BACK_END_S)
            opened.connect((back_end.address, self._port))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(opened, server_hostname=back_end.node) as tls:
                yield tls
                with contextlib.suppress(OSError):
                    tls.unwrap()  # ends TLS in order; the answer is there already


def _ask(
    connection: ssl.SSLSocket,
    request: HttpRequest,
    host: str,
    fields: Iterable[tuple[str, str]],
    came_from: int,
) -> BackEndSaid:
    """Raises OSError or Malformed."""
    lines = (
        f"{request.method} {request.target} HTTP/1.1",
        f"Host: {host}",
        *(f"{name}: {value}" for name, value in fields),
        f"Content-Length: {len(request.body)}",
        "Connection: close",
    )
    connection.sendall("\r\n".join((*lines, "", "")).encode("latin-1") + request.body)
    stream = Stream(lambda: connection.recv(_READ_BYTES))
    answer = stream.head()
    if answer is None:
        raise Malformed(502, "it ended the connection without an answer")
    content = bytearray()
    for part in stream.body(answer.body_length()):
        content += part
        if len(content) > ANSWER_BYTES:
            raise Malformed(502, f"its answer is longer than {ANSWER_BYTES} bytes")
    status, _ = answer.status_line()
    return BackEndSaid(
        status=status, came_from=came_from, content=bytes(content), fields=answer.fields
    )
