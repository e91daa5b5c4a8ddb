"""How the manager asks a console: HTTPS to TCP port 443, a connection for each request (M-11)."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from lab.agent.http1 import Malformed, Stream
from lab.topology.held_events import EVENTS_PORT, HoldingConsole

if TYPE_CHECKING:
    from lab.linux.nodes import Node

CONNECT_S, ANSWER_S = 10.0, 30.0
_ANSWER_BYTES = 1 << 20


class PeerError(Exception):
    """A console did not answer; the message says why. Not a LabError: the manager goes on without it."""

    def __init__(self, problem: str, own_port: int = 0) -> None:
        super().__init__(problem)
        self.own_port = own_port


class PeerAnswer(NamedTuple):
    """What a console has answered."""

    status: int
    content: bytes
    own_port: int
    """From which it was asked."""

    def members(self) -> dict[str, object]:
        """The object of JSON; raises PeerError for anything else."""
        try:
            members = json.loads(self.content)
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, dict):
            raise PeerError("its answer is no object of JSON", self.own_port)
        return members


class PeerCaller:
    """The manager's; any thread may ask, and ``stop`` ends all that is asked just now."""

    def __init__(self, node: Node, tls: ssl.SSLContext) -> None:
        self._node = node
        self._tls = tls
        self._lock = threading.Lock()
        self._live: set[socket.socket] = set()
        self._stopped = False

    def ask(
        self, console: HoldingConsole, method: str, path: str, content: bytes = b""
    ) -> PeerAnswer:
        """Raises PeerError if the console does not answer, or refuses."""
        own_port = 0
        try:
            with self._socket() as connection:
                connection.settimeout(CONNECT_S)
                connection.connect((console.address, EVENTS_PORT))
                own_port = connection.getsockname()[1]
                with self._tls.wrap_socket(
                    connection.dup(), server_hostname=console.address
                ) as secured:
                    secured.settimeout(ANSWER_S)
                    secured.sendall(_request(console, method, path, content))
                    status, answer = _answer(secured)
        except TimeoutError:
            raise PeerError("no answer", own_port) from None
        except (OSError, Malformed) as error:  # SSLError is an OSError
            why = error.strerror if isinstance(error, OSError) else ""
            raise PeerError(why or f"{error}" or "the connection broke", own_port) from None
        found = PeerAnswer(status, answer, own_port)
        if status != 200:
            problem = str(found.members().get("problem", f"it answers {status}"))
            raise PeerError(problem, own_port)
        return found

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for connection in self._live:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _socket(self) -> Iterator[socket.socket]:
        with self._node.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            with self._lock:
                if self._stopped:
                    raise PeerError("the lab is going down")
                self._live.add(connection)
            try:
                yield connection
            finally:
                with self._lock:
                    self._live.discard(connection)


def _request(console: HoldingConsole, method: str, path: str, content: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {console.address}"]
    lines += [f"Authorization: Bearer {console.token.reveal()}", "Connection: close"]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + content


def _answer(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    stream = Stream(lambda: connection.recv(_ANSWER_BYTES))
    head = stream.head()
    if head is None:
        raise PeerError("the connection ended before an answer")
    status, _ = head.status_line()
    answer = bytearray()
    for part in stream.body(head.body_length()):
        answer += part
        if len(answer) > _ANSWER_BYTES:
            raise PeerError(f"its answer has more than {_ANSWER_BYTES} bytes")
    return status, bytes(answer)
