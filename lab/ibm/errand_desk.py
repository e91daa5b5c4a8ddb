"""Where errands are done: here, or by a server behind the front end, over a connection of its own (OUT-37).

Imported for the first errand of a lab.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lab.agent.http1 import Malformed, Stream
from lab.ibm import errands
from lab.ibm.answers import Answer, HttpRequest, refusal
from lab.ibm.conversation import describe
from lab.topology.errand_kinds import ErrandKind
from lab.topology.servers import BACK_END_PORT, BackEnd, ListedServer, Speaks

if TYPE_CHECKING:
    from lab.linux.nodes import Node

BACK_END_S = 10.0
"""Lab time for one step of a connection to a server behind the front end; agents are more patient."""
ANSWER_BYTES = 1 << 20
ORDER = "Order"
"""The field by which a front end says with what a system is to ask for fixes; empty: with nothing."""
_READ_BYTES = 64 * 1024


class ErrandDesk:
    """Does errands, or has them done; any thread may ask."""

    def __init__(
        self,
        node: Node | None,
        servers: tuple[ListedServer, ...],
        back_ends: tuple[BackEnd, ...] = (),
        ca_file: str = "",
        port: int = BACK_END_PORT,
    ) -> None:
        """``node``: from where servers behind the front end are called; ``ca_file``: whom to trust there."""
        self._node = node
        self._orders = errands.Orders(servers)
        self._back_ends = {kind: one for one in back_ends for kind in one.serves}
        self._port = port
        self._context = ssl.create_default_context(cafile=ca_file) if back_ends else None

    def answer(
        self,
        request: HttpRequest,
        listed: ListedServer,
        transaction: str,
        order: str | None = None,
    ) -> Answer:
        """Do the errand that a request at one of the servers is about.

        ``order`` is given by a front end only: what the system is to ask for fixes with.
        """
        kind = errands.kind_of(request.target)
        if kind is None:
            return refusal(404, "there is no errand of that name", kind="request")
        if turned_away := errands.turned_away(kind, request, listed, self._orders):
            return turned_away
        system = self._system(kind, request)
        if listed.speaks is not Speaks.inner:
            order = self._orders.number(kind, listed, system)
        back_end = self._back_ends.get(kind)
        if back_end is None:
            answer = errands.answer(kind, request, transaction, order)
        else:
            answer = self._hand_on(kind, request, transaction, order, back_end)
        if kind is ErrandKind.enrolment and answer.status == 200 and order:
            self._orders.enrol(system, order)
        return replace(answer, system=system, promised=errands.promised(kind, answer))

    def _system(self, kind: ErrandKind, request: HttpRequest) -> str:
        if kind is ErrandKind.fix:
            return self._orders.system(errands.order_of(request.target))
        return errands.system_of(request)

    def _hand_on(
        self,
        kind: ErrandKind,
        request: HttpRequest,
        transaction: str,
        order: str | None,
        back_end: BackEnd,
    ) -> Answer:
        """Let a server behind the front end answer; 503 if it does not, and 502 if it makes no sense."""
        numbers = f"Transaction: {transaction}\r\n" + (
            f"{ORDER}: {order}\r\n" if order is not None else ""
        )
        came_from = 0
        try:
            with self._reach(back_end) as connection:
                came_from = connection.getsockname()[1]
                status, content, content_type = _ask(connection, request, back_end.node, numbers)
        except OSError as error:
            status, problem = 503, f"does not answer: {describe(error)}"
        except Malformed as error:
            status, problem = 502, f"makes no sense: {error}"
        else:
            return Answer(
                status=status,
                content=content,
                kind=errands.KIND + kind,
                fields=(("Server", "callhome-lab"), ("Content-Type", content_type)),
                back_end=back_end.node,
                back_end_port=came_from,
            )
        problem = f"{back_end.node}, which does {kind}, {problem}"
        said = refusal(status, problem, kind=errands.KIND + kind)
        return replace(said, back_end=back_end.node, back_end_port=came_from)

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
    connection: ssl.SSLSocket, request: HttpRequest, host: str, numbers: str
) -> tuple[int, bytes, str]:
    """Status, content and its type; raises OSError or Malformed."""
    head = (
        f"{request.method} {request.target} HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        f"{numbers}"
        f"Content-Length: {len(request.body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    connection.sendall(head.encode("latin-1") + request.body)
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
    return status, bytes(content), answer.fields.get("content-type", "application/json")
