"""One call home, in the manner of an HMC: resolve, connect by TLS, send a message, be acknowledged.

The message is a heartbeat, or what ``errands`` has to say. The agent has no credentials at all. It stands in
for any agent, so it knows nothing of the lab. It imports little (see ``lab.agent.http1``): no ``lab.errors``,
no dataclasses.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterable

from lab.agent.connection import (
    READ_BYTES,
    Approach,
    NotAcknowledged,
    cause_of,
    in_its_words,
    reach,
    secure,
    trusting,
)
from lab.agent.connection import NotAsPromised as NotAsPromised
from lab.agent.connection import alternating as alternating
from lab.agent.connection import describe as describe
from lab.agent.heartbeat import AGENT, heartbeat
from lab.agent.http1 import Malformed, Stream
from lab.agent.message import Attempt as Attempt
from lab.agent.message import Message
from lab.agent.message import ServerUrl as ServerUrl
from lab.agent.proxied import ProxyUrl
from lab.record.cause import AgentCause

TOTAL_S = 60.0
"""For one try of one server, from resolving its name to its acknowledgement."""
ROUNDS = 2
"""Every server is tried in order, and then once more (R-02: a backup before a second try)."""

_GOODBYE_S = 5.0
_ANSWER_BYTES = 64 * 1024


def call_home(endpoints: Iterable[str], caller: AgentCaller, *, system: str) -> list[Attempt]:
    """Send a heartbeat to the first of ``endpoints`` (URLs) that acknowledges it.

    Returns every attempt in order: the last one is the one that was acknowledged, if any was. Raises
    ValueError for a URL that is not https or for no URL at all; whatever befalls the call itself is in the
    attempts.
    """
    servers = [ServerUrl(url) for url in endpoints]
    if not servers:
        raise ValueError("no server is given")
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
        """Where there are ``proxies`` (URLs), nothing goes without one; each is asked for every server before
        the next one is asked for any (OUT-14). ``family`` is a socket's: AF_INET6 calls nobody by IPv4.

        Raises ValueError for a proxy's URL that is none, OSError for a CA file that cannot be read.
        """
        self._family = family
        self.proxies: list[ProxyUrl | None] = [ProxyUrl(url) for url in proxies]
        self.story = story
        self._total_s = total_s
        self._rounds = rounds
        self._context = trusting(ca_file)

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
        call = Approach(server, proxy, attempt, self._total_s, self.story, self._family)
        _try(call, message, self._context)
        attempt.seconds = round(time.monotonic() - started, 6)
        attempt.time = time.time()
        self.story(attempt.sentence)
        return attempt


def _try(call: Approach, message: Message, context: ssl.SSLContext) -> None:
    """Fill in the attempt; a failure is its problem, never an exception."""
    try:
        with reach(call) as connection:
            if call.server.clear:
                _converse(call, message, connection)
                return
            with secure(call, connection, context) as tls:
                _converse(call, message, tls)
    except TimeoutError:
        call.attempt.fail(AgentCause.timed_out, f"{call.total_s:g}")
    except (OSError, ValueError) as error:  # Malformed and a name that IDNA refuses are ValueErrors
        call.attempt.fail(cause_of(error, call.attempt.phase), describe(error))


def _converse(call: Approach, message: Message, connection: socket.socket) -> None:
    server = call.server
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
    key = f'Idempotency-Key: "{message.key}"\r\n' if message.key else ""
    head = (
        f"{message.method} {path} HTTP/1.1\r\n"
        f"Host: {server.authority}\r\n"
        f"User-Agent: {AGENT}\r\n"
        f"{content}"
        f"{key}"
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


def _read_answer(call: Approach, connection: socket.socket) -> bytes:
    """The body of an answer that tells of success."""

    def receive() -> bytes:
        connection.settimeout(call.left_s())
        return connection.recv(READ_BYTES)

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
        raise NotAcknowledged(f"{status} {reason}{_explained(bytes(body))}")
    return bytes(body)


def _explained(body: bytes) -> str:
    """What a server says of its refusal, if it says it."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return in_its_words(answer.get("problem") if isinstance(answer, dict) else None)


def read_acknowledgement(body: bytes) -> dict[str, object]:
    """What a server acknowledges; raises Malformed for anything else."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("transaction"), str):
        raise Malformed(400, "the server's answer is no acknowledgement")
    return answer
