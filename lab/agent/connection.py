"""One connection to a server, by a proxy or without one: resolve, connect, be sure who answers.

What is said on the connection belongs to ``client`` (one message) and ``session`` (several). Imports little
(see ``lab.agent.http1``).
"""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections.abc import Callable, Sequence

from lab.agent.http1 import Head, Malformed, Stream
from lab.agent.message import Attempt, ServerUrl
from lab.agent.proxied import ProxyRefused, ProxyUrl, is_log_in_wanted, request
from lab.record.cause import AgentCause

CONNECT_S = 30.0
READ_BYTES = 16 * 1024
PROBLEM = 400
"""Characters that are told of a server's own words: as much as two call-home servers have to say."""

_Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]
"""Of ``getaddrinfo``: family, type, protocol, canonical name, address."""


class NotAsPromised(ValueError):
    """A download has another content than the one that was promised by TLS."""


class NotAcknowledged(ValueError):
    """The server answers, with an HTTP status that is no success."""


class Approach:
    """One attempt under way: whom it calls, its deadline and its story."""

    def __init__(
        self,
        server: ServerUrl,
        proxy: ProxyUrl | None,
        attempt: Attempt,
        total_s: float,
        story: Callable[[str], None],
        family: int,
    ) -> None:
        """The deadline is ``total_s`` from now; ``attempt`` is told the phase and the address."""
        self.family = family
        self.server = server
        self.proxy = proxy
        self.attempt = attempt
        self.total_s = total_s
        self.tell = story
        self._end = time.monotonic() + total_s

    def enter(self, phase: str, step: str) -> None:
        """The next phase begins; ``step`` goes into the story."""
        self.attempt.phase = phase
        self.tell(f"{phase}: {step}")

    def left_s(self, at_most: float | None = None) -> float:
        """Seconds left for the attempt, perhaps less; raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if at_most is None else min(left, at_most)


def trusting(ca_file: str) -> ssl.SSLContext:
    """TLS that trusts the authorities in a file (PEM) alone; raises OSError if it cannot be read."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def reach(call: Approach) -> socket.socket:
    """A TCP connection that leads to the server; raises OSError or ValueError."""
    return _connect_through(call) if call.proxy else _connect(call)


def secure(call: Approach, connection: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """TLS with the server over a connection that ``reach`` gave; raises OSError."""
    call.enter("TLS", f"verify that it is {call.server.host}")
    connection.settimeout(call.left_s())
    return context.wrap_socket(connection, server_hostname=call.server.host)


def _connect(call: Approach) -> socket.socket:
    """Connect to the server."""
    call.enter("resolve", call.server.host)
    host = call.server.address or call.server.host
    return _dial(call, host, call.server.port, "connect")


def _connect_through(call: Approach) -> socket.socket:
    """Have the proxy connect to the server; log in to the proxy if it asks for that (OUT-11)."""
    proxy, target = call.proxy, call.server.target
    assert proxy is not None, "asked for"
    credentials = ""
    while True:
        call.enter("proxy", f"{proxy.host} port {proxy.port}")
        connection = _dial(call, proxy.host, proxy.port, "proxy")
        try:
            call.enter("CONNECT", f"{target}, with a log-in" if credentials else target)
            connection.settimeout(call.left_s())
            connection.sendall(request(target, credentials))
            head = _proxy_answer(call, connection)
            if not is_log_in_wanted(head):
                return connection
            if credentials or not proxy.credentials:
                raise ProxyRefused(*head.status_line())
        except (OSError, ValueError):
            connection.close()
            raise
        connection.close()
        credentials = proxy.credentials


def _proxy_answer(call: Approach, connection: socket.socket) -> Head:
    def receive() -> bytes:
        connection.settimeout(call.left_s())
        return connection.recv(READ_BYTES)

    head = Stream(receive).head()
    if head is None:
        raise Malformed(400, "the proxy ended the connection without an answer")
    return head


def _dial(call: Approach, host: str, port: int, phase: str) -> socket.socket:
    """Connect to the first address of a name that answers."""
    # getaddrinfo knows no deadline but the resolver's own (resolv.conf(5) timeout, attempts).
    found = socket.getaddrinfo(host, port, family=call.family, type=socket.SOCK_STREAM)
    problems = []

    for number, (family, kind, protocol, _, address) in enumerate(alternating(found)):
        call.attempt.address = str(address[0])
        call.enter(phase, f"{address[0]} port {port}")
        # Each has its share: the last one, too, is asked before the attempt ends (F-12).
        limit_s = min(CONNECT_S, call.left_s() / (len(found) - number))
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(limit_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect(address)
        except TimeoutError:
            connection.close()
            problems.append(f"{address[0]} did not answer within {limit_s:.0f} s")
        except OSError as error:
            connection.close()
            problems.append(f"{address[0]}: {describe(error)}")
        else:
            return connection

    raise ConnectionError("; ".join(problems))


def alternating(found: Sequence[_Info]) -> list[_Info]:
    """Addresses in turn of the two versions of IP, as RFC 8305 4 says, the resolver's first one first.

    One version that is broken then costs one time-out, however many addresses it has.
    """
    first = [info for info in found if info[0] == found[0][0]]
    second = [info for info in found if info[0] != found[0][0]]
    pairs = [info for pair in zip(first, second, strict=False) for info in pair]
    return [*pairs, *first[len(second) :], *second[len(first) :]]


_AT_PHASE = {
    "resolve": AgentCause.unresolved,
    "connect": AgentCause.unreached,
    "proxy": AgentCause.proxy_unreached,
}
"""What a connection that does not come about means."""


def cause_of(error: OSError | ValueError, phase: str) -> AgentCause:
    if isinstance(error, ssl.SSLCertVerificationError):
        return AgentCause.certificate
    if isinstance(error, ssl.SSLError):
        return AgentCause.tls
    if isinstance(error, NotAcknowledged):
        return AgentCause.status
    if isinstance(error, NotAsPromised):
        return AgentCause.digest
    if isinstance(error, ProxyRefused):
        return AgentCause.proxy_log_in if error.status == 407 else AgentCause.proxy_refused
    if phase in _AT_PHASE:
        return _AT_PHASE[phase]
    return AgentCause.broken if isinstance(error, OSError) else AgentCause.malformed


def in_its_words(problem: object) -> str:
    """What a server says of its refusal, in brackets; a long text is cut, and one sees that."""
    if not isinstance(problem, str) or not problem or not problem.isprintable():
        return ""
    return f" ({problem if len(problem) <= PROBLEM else problem[: PROBLEM - 1] + '…'})"


def describe(error: OSError | ValueError) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "connection refused"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
