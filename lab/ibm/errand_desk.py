"""Where errands are done: here, or by a server behind the front end, over a connection of its own (OUT-37).

Imported for the first errand of a lab.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from lab.agent.http1 import Malformed, Stream
from lab.ibm import errands
from lab.ibm.answers import Answer, HttpRequest, refusal
from lab.ibm.conversation import describe
from lab.topology.errand_kinds import ErrandKind
from lab.topology.servers import BACK_END_PORT, BackEnd, ListedServer

if TYPE_CHECKING:
    from lab.linux.nodes import Node

BACK_END_S = 10.0
"""Lab time for one step of a connection to a server behind the front end; agents are more patient."""
ANSWER_BYTES = 1 << 20
_READ_BYTES = 64 * 1024


class ErrandDesk:
    """Does errands, or has them done; any thread may ask."""

    def __init__(
        self,
        node: Node,
        servers: tuple[ListedServer, ...],
        back_ends: tuple[BackEnd, ...] = (),
        port: int = BACK_END_PORT,
    ) -> None:
        self._node = node
        self._enrolled = errands.Enrolled(servers)
        self._back_ends = {kind: one for one in back_ends for kind in one.serves}
        self._port = port

    def answer(self, request: HttpRequest, listed: ListedServer, transaction: str) -> Answer:
        """Do the errand that a request at one of the servers is about."""
        kind = errands.kind_of(request.target)
        if kind is None:
            return refusal(404, "there is no errand of that name", kind="request")
        if turned_away := errands.turned_away(kind, request, listed, self._enrolled):
            return turned_away
        back_end = self._back_ends.get(kind)
        if back_end is None:
            answer = errands.answer(kind, request, transaction)
        else:
            answer = self._hand_on(kind, request, transaction, back_end)
        if kind is ErrandKind.enrolment and answer.status == 200:
            self._enrolled.add(errands.system_of(request))
        return answer

    def _hand_on(
        self, kind: ErrandKind, request: HttpRequest, transaction: str, back_end: BackEnd
    ) -> Answer:
        """Let a server behind the front end answer; 503 if it does not, and 502 if it makes no sense."""
        whole = errands.KIND + kind
        try:
            status, content, content_type = self._ask(request, transaction, back_end)
        except OSError as error:
            problem = f"{back_end.node}, which does {kind}, does not answer: {describe(error)}"
            return _failed(503, problem, whole, back_end)
        except Malformed as error:
            problem = f"{back_end.node}, which does {kind}, makes no sense: {error}"
            return _failed(502, problem, whole, back_end)
        return Answer(
            status=status,
            content=content,
            kind=whole,
            system=errands.system_of(request),
            fields=(("Server", "callhome-lab"), ("Content-Type", content_type)),
            back_end=back_end.node,
        )

    def _ask(
        self, request: HttpRequest, transaction: str, back_end: BackEnd
    ) -> tuple[int, bytes, str]:
        """Status, content and its type; raises OSError or Malformed."""
        head = (
            f"{request.method} {request.target} HTTP/1.1\r\n"
            f"Host: {back_end.node}\r\n"
            f"Transaction: {transaction}\r\n"
            f"Content-Length: {len(request.body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        opened = self._node.call(socket.socket, socket.AF_INET, socket.SOCK_STREAM)
        with opened as connection:
            connection.settimeout(BACK_END_S)
            connection.connect((back_end.address, self._port))
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


def _failed(status: int, problem: str, kind: str, back_end: BackEnd) -> Answer:
    said = refusal(status, problem, kind=kind)
    return Answer(
        status=status, content=said.content, kind=kind, detail=problem, back_end=back_end.node
    )
