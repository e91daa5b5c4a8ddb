"""One call home, in the manner of an HMC: resolve, connect by TLS, send a message, be acknowledged.

The message is a heartbeat, or what ``errands`` has to say. The agent has no credentials at all. It stands in
for any agent, so it knows nothing of the lab. It imports little (see ``lab.agent.http1``): no ``lab.errors``,
no dataclasses.
"""

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence

from lab.agent.heartbeat import AGENT, heartbeat
from lab.agent.http1 import Head, Malformed, Stream
from lab.agent.message import Attempt as Attempt
from lab.agent.message import Message
from lab.agent.message import ServerUrl as ServerUrl
from lab.agent.proxied import ProxyRefused, ProxyUrl, is_log_in_wanted, request
from lab.record.cause import AgentCause

CONNECT_S = 30.0
TOTAL_S = 60.0
"""For one try of one server, from resolving its name to its acknowledgement."""
ROUNDS = 2
"""Every server is tried in order, and then once more (R-02: a backup before a second try)."""

_Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]
"""Of ``getaddrinfo``: family, type, protocol, canonical name, address."""
_GOODBYE_S = 5.0
_ANSWER_BYTES = 64 * 1024
_READ_BYTES = 16 * 1024


def call_home(
    endpoints: Iterable[str],
    ca_file: str,
    *,
    system: str,
    proxies: Iterable[str] = (),
    story: Callable[[str], None] = lambda line: None,
    total_s: float = TOTAL_S,
    rounds: int = ROUNDS,
    family: int = socket.AF_UNSPEC,
) -> list[Attempt]:
    """Send a heartbeat to the first of ``endpoints`` (URLs) that acknowledges it.

    Where there are ``proxies`` (URLs), nothing goes without one; each is asked for every server before the
    next one is asked for any (OUT-14). ``family`` is a socket's: AF_INET6 calls nobody by IPv4.

    Returns every attempt in order: the last one is the one that was acknowledged, if any was. Raises
    ValueError for a URL that is not https or for no URL at all, OSError for a CA file that cannot be
    read; whatever befalls the call itself is in the attempts.
    """
    servers = [ServerUrl(url) for url in endpoints]
    if not servers:
        raise ValueError("no server is given")
    caller = AgentCaller(ca_file, proxies, story, total_s=total_s, rounds=rounds, family=family)
    message = Message("POST", "/heartbeat", heartbeat(system), read_acknowledgement)
    return caller.send(message, servers)


class AgentCaller:
    """Who calls servers: by which proxies, trusting whom, and with how much patience."""

    def __init__(
        self,
        ca_file: str,
        proxies: Iterable[str] = (),
        story: Callable[[str], None] = lambda line: None,
        *,
        total_s: float = TOTAL_S,
        rounds: int = ROUNDS,
        family: int = int(socket.AF_UNSPEC),
    ) -> None:
        """Raises ValueError for a proxy's URL that is none, OSError for a CA file that cannot be read."""
        self._family = family
        self.proxies: list[ProxyUrl | None] = [ProxyUrl(url) for url in proxies]
        self.story = story
        self._total_s = total_s
        self._rounds = rounds
        self._context = ssl.create_default_context(cafile=ca_file)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2

    def send(self, message: Message, servers: Iterable[ServerUrl]) -> list[Attempt]:
        """Say something to the first server that acknowledges it; every attempt, in order."""
        tries = [(proxy, server) for proxy in self.proxies or [None] for server in servers]
        attempts: list[Attempt] = []
        for proxy, server in tries * self._rounds:
            attempts.append(self.try_once(message, server, proxy))
            if attempts[-1].acknowledgement:
                break
        return attempts

    def try_once(
        self, message: Message, server: ServerUrl, proxy: ProxyUrl | None = None
    ) -> Attempt:
        """One attempt; a failure is told in it."""
        attempt = Attempt(server.url, proxy.url if proxy else "", message.errand)
        started = time.monotonic()
        call = _Call(
            server, proxy, message, attempt, started, self._total_s, self.story, self._family
        )
        _try(call, self._context)
        attempt.seconds = round(time.monotonic() - started, 6)
        attempt.time = time.time()
        self.story(attempt.sentence)
        return attempt


class _Call:
    """One attempt under way: its deadline and its story."""

    def __init__(
        self,
        server: ServerUrl,
        proxy: ProxyUrl | None,
        message: Message,
        attempt: Attempt,
        started: float,
        total_s: float,
        story: Callable[[str], None],
        family: int,
    ) -> None:
        self.family = family
        self.message = message
        self.server = server
        self.proxy = proxy
        self.attempt = attempt
        self.total_s = total_s
        self._end = started + total_s
        self.tell = story

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


def _try(call: _Call, context: ssl.SSLContext) -> None:
    """Fill in the attempt; a failure is its problem, never an exception."""
    try:
        reach = _connect_through if call.proxy else _connect
        with reach(call) as connection:
            if call.server.clear:
                _converse(call, connection)
                return
            call.enter("TLS", f"verify that it is {call.server.host}")
            connection.settimeout(call.left_s())
            with context.wrap_socket(connection, server_hostname=call.server.host) as tls:
                _converse(call, tls)
    except TimeoutError:
        call.attempt.fail(AgentCause.timed_out, f"{call.total_s:g}")
    except (OSError, ValueError) as error:  # Malformed and a name that IDNA refuses are ValueErrors
        call.attempt.fail(_cause(error, call.attempt.phase), describe(error))


def _connect(call: _Call) -> socket.socket:
    """Connect to the server."""
    call.enter("resolve", call.server.host)
    host = call.server.address or call.server.host
    return _reach(call, host, call.server.port, "connect")


def _connect_through(call: _Call) -> socket.socket:
    """Have the proxy connect to the server; log in to the proxy if it asks for that (OUT-11)."""
    proxy, target = call.proxy, call.server.target
    assert proxy is not None, "asked for"
    credentials = ""
    while True:
        call.enter("proxy", f"{proxy.host} port {proxy.port}")
        connection = _reach(call, proxy.host, proxy.port, "proxy")
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


def _proxy_answer(call: _Call, connection: socket.socket) -> Head:
    def receive() -> bytes:
        connection.settimeout(call.left_s())
        return connection.recv(_READ_BYTES)

    head = Stream(receive).head()
    if head is None:
        raise Malformed(400, "the proxy ended the connection without an answer")
    return head


def _reach(call: _Call, host: str, port: int, phase: str) -> socket.socket:
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


def _converse(call: _Call, connection: socket.socket) -> None:
    server, message = call.server, call.message
    tls = connection if isinstance(connection, ssl.SSLSocket) else None
    cipher = tls.cipher() if tls else None
    by = f"{tls.version()} {cipher and cipher[0]}" if tls else "in clear"
    path = server.path + message.path
    call.enter("request", f"{message.method} {path}, {len(message.content)} bytes, {by}")
    has_content = message.method != "GET"
    content = (
        f"Content-Type: application/json\r\nContent-Length: {len(message.content)}\r\n"
        if has_content
        else ""
    )
    head = (
        f"{message.method} {path} HTTP/1.1\r\n"
        f"Host: {server.authority}\r\n"
        f"User-Agent: {AGENT}\r\n"
        f"{content}"
        "Connection: close\r\n"
        "\r\n"
    )
    connection.settimeout(call.left_s())
    connection.sendall(head.encode("ascii") + message.content)

    call.enter("acknowledgement", "wait for it")
    acknowledgement = message.read(_read_answer(call, connection))
    call.attempt.acknowledgement = acknowledgement
    if tls is None:
        return
    try:
        tls.settimeout(call.left_s(_GOODBYE_S))
        tls.unwrap()  # end TLS in order, so that the last packets are no resets
    except OSError as error:
        call.tell(f"the goodbye was not answered: {describe(error)}")


def _read_answer(call: _Call, connection: socket.socket) -> bytes:
    """The body of an answer that tells of success."""

    def receive() -> bytes:
        connection.settimeout(call.left_s())
        return connection.recv(_READ_BYTES)

    stream = Stream(receive)
    while True:
        head = stream.head()
        if head is None:
            raise Malformed(400, "the server ended the connection without an answer")

        status, reason = head.status_line()
        if status >= 200:  # RFC 9110 15.2: interim answers are passed over
            break

    body = bytearray()
    for part in stream.body(head.body_length()):
        body += part
        if len(body) > _ANSWER_BYTES:
            raise Malformed(400, f"the answer is longer than {_ANSWER_BYTES} bytes")

    if status != 200:
        raise _NotAcknowledged(f"{status} {reason}{_explained(bytes(body))}")
    return bytes(body)


def _explained(body: bytes) -> str:
    """What a server says of its refusal, if it says it."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    problem = answer.get("problem") if isinstance(answer, dict) else None
    return f" ({problem[:200]})" if isinstance(problem, str) and problem.isprintable() else ""


def read_acknowledgement(body: bytes) -> dict[str, object]:
    """What a server acknowledges; raises Malformed for anything else."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("transaction"), str):
        raise Malformed(400, "the server's answer is no acknowledgement")
    return answer


class NotAsPromised(ValueError):
    """A download has another content than the one that was promised by TLS."""


class _NotAcknowledged(ValueError):
    """The server answers, with an HTTP status that is no success."""


_AT_PHASE = {
    "resolve": AgentCause.unresolved,
    "connect": AgentCause.unreached,
    "proxy": AgentCause.proxy_unreached,
}
"""What a connection that does not come about means."""


def _cause(error: OSError | ValueError, phase: str) -> AgentCause:
    if isinstance(error, ssl.SSLCertVerificationError):
        return AgentCause.certificate
    if isinstance(error, ssl.SSLError):
        return AgentCause.tls
    if isinstance(error, _NotAcknowledged):
        return AgentCause.status
    if isinstance(error, NotAsPromised):
        return AgentCause.digest
    if isinstance(error, ProxyRefused):
        return AgentCause.proxy_log_in if error.status == 407 else AgentCause.proxy_refused
    if phase in _AT_PHASE:
        return _AT_PHASE[phase]
    return AgentCause.broken if isinstance(error, OSError) else AgentCause.malformed


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
