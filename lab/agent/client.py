"""One call home, in the manner of an HMC: resolve, connect by TLS, send a heartbeat, be acknowledged.

The agent has no credentials at all. It stands in for any agent, so it knows nothing of the lab. It imports
little (see ``lab.agent.http1``): no ``lab.errors``, no dataclasses.
"""

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence

from lab.agent.heartbeat import AGENT, heartbeat
from lab.agent.http1 import Head, Malformed, Stream, split_authority
from lab.agent.proxied import ProxyRefused, ProxyUrl, is_log_in_wanted, request
from lab.record.cause import AgentCause, Explained

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


class ServerUrl:
    """The URL of a server, taken apart."""

    __slots__ = ("host", "path", "port", "url")

    def __init__(self, url: str) -> None:
        """Raises ValueError for anything but https: a heartbeat never goes in clear."""
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        host, port = split_authority(authority, "443")

        if scheme.lower() != "https" or not host or "@" in authority:
            raise ValueError(f"{url!r} is not https://HOST[:PORT][/PATH]")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{url!r} has no port between 1 and 65535")
        if not (authority + path).isascii() or not (authority + path).isprintable() or " " in path:
            raise ValueError(f"{url!r} has a character that no URL has")

        self.url = url
        self.host = host
        self.port = int(port)
        self.path = (slash + path).rstrip("/") + "/heartbeat"

    @property
    def authority(self) -> str:
        return self.target.removesuffix(":443")

    @property
    def target(self) -> str:
        """What a proxy is asked for; it has the port in any case."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Attempt(Explained):
    """One try of one server, and how far it came: ``phase`` is the last one entered."""

    def __init__(self, server: str, proxy: str = "") -> None:
        self.server = server
        self.proxy = proxy
        """Its URL without a password; empty where no proxy was asked."""
        self.phase = "resolve"
        self.address = ""
        self.cause: AgentCause | None = None
        self.detail = ""
        self.acknowledgement: dict[str, object] = {}
        self.seconds = 0.0
        self.time = 0.0

    @property
    def sentence(self) -> str:
        through = f"{self.server} through {self.proxy}" if self.proxy else self.server
        if self.acknowledgement:
            return f"{through} acknowledged as {self.acknowledgement['transaction']}"
        return f"{through} failed at {self.phase}: {self.why}"

    def fail(self, cause: AgentCause, detail: str) -> None:
        self.cause, self.detail = cause, detail

    def as_dict(self) -> dict[str, object]:
        told = {name: value for name, value in vars(self).items() if name != "acknowledgement"}
        return {
            **told,
            "acknowledged": bool(self.acknowledgement),
            "transaction": self.acknowledgement.get("transaction", ""),
            "problem": self.why,
            "sentence": self.sentence,
        }


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
    stops: list[ProxyUrl | None] = [ProxyUrl(url) for url in proxies]

    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    content = heartbeat(system)
    attempts: list[Attempt] = []

    tries = [(proxy, server) for proxy in stops or [None] for server in servers]
    for proxy, server in tries * rounds:
        attempt = Attempt(server.url, proxy.url if proxy else "")
        attempts.append(attempt)
        started = time.monotonic()
        _try(_Call(server, proxy, attempt, started, total_s, story, family), context, content)
        attempt.seconds = round(time.monotonic() - started, 6)
        attempt.time = time.time()
        story(attempt.sentence)
        if attempt.acknowledgement:
            break

    return attempts


class _Call:
    """One attempt under way: its deadline and its story."""

    def __init__(
        self,
        server: ServerUrl,
        proxy: ProxyUrl | None,
        attempt: Attempt,
        started: float,
        total_s: float,
        story: Callable[[str], None],
        family: int,
    ) -> None:
        self.family = family
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


def _try(call: _Call, context: ssl.SSLContext, content: bytes) -> None:
    """Fill in the attempt; a failure is its problem, never an exception."""
    try:
        reach = _connect_through if call.proxy else _connect
        with reach(call) as connection:
            call.enter("TLS", f"verify that it is {call.server.host}")
            connection.settimeout(call.left_s())
            with context.wrap_socket(connection, server_hostname=call.server.host) as tls:
                _converse(call, tls, content)
    except TimeoutError:
        call.attempt.fail(AgentCause.timed_out, f"{call.total_s:g}")
    except (OSError, ValueError) as error:  # Malformed and a name that IDNA refuses are ValueErrors
        call.attempt.fail(_cause(error, call.attempt.phase), describe(error))


def _connect(call: _Call) -> socket.socket:
    """Connect to the server."""
    call.enter("resolve", call.server.host)
    return _reach(call, call.server.host, call.server.port, "connect")


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

    for family, kind, protocol, _, address in alternating(found):
        call.attempt.address = str(address[0])
        call.enter(phase, f"{address[0]} port {port}")
        limit_s = call.left_s(CONNECT_S)
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


def _converse(call: _Call, tls: ssl.SSLSocket, content: bytes) -> None:
    server = call.server
    cipher = tls.cipher()
    call.enter(
        "request",
        f"POST {server.path}, {len(content)} bytes, {tls.version()} {cipher and cipher[0]}",
    )
    head = (
        f"POST {server.path} HTTP/1.1\r\n"
        f"Host: {server.authority}\r\n"
        f"User-Agent: {AGENT}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    tls.settimeout(call.left_s())
    tls.sendall(head.encode("ascii") + content)

    call.enter("acknowledgement", "wait for it")
    acknowledgement = _read_acknowledgement(call, tls)
    call.attempt.acknowledgement = acknowledgement
    try:
        tls.settimeout(call.left_s(_GOODBYE_S))
        tls.unwrap()  # end TLS in order, so that the last packets are no resets
    except OSError as error:
        call.tell(f"the goodbye was not answered: {describe(error)}")


def _read_acknowledgement(call: _Call, tls: ssl.SSLSocket) -> dict[str, object]:
    def receive() -> bytes:
        tls.settimeout(call.left_s())
        return tls.recv(_READ_BYTES)

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
        raise _NotAcknowledged(f"{status} {reason}")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("transaction"), str):
        raise Malformed(400, "the server's answer is no acknowledgement")
    return answer


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
