"""Wild callers at TCP port 9920: whatever they send, nobody is called; consoles that are known are heard."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lab.agent.client import read_acknowledgement
from lab.agent.inter_console import ConsoleCaller, caller_context, suites_for
from lab.agent.message import Attempt, Message
from lab.agent.web import listening
from lab.agent.web.exchange import WebRequest
from lab.consoles.inter_console import DH_PARAMETERS
from tests.unit.consoles.test_forwarding import HERE, Site, said

WILD, KNOWN = "127.0.0.66", "127.0.0.2"
"""Addresses of this machine's own, so that wild callers and consoles can be told from each other."""
RESET = struct.pack("ii", 1, 0)
CALLERS, REQUESTS = 600, 100_000
PATIENCE_S = listening.HANDSHAKE_S * 0.8
"""Of a console that is known: less than for how long a silent caller may stay."""


class Port(NamedTuple):
    """A call-home server's port on this machine."""

    number: int
    site: Site

    def ask(self, source: str) -> Attempt:
        """Have it send a request that another console forwards."""
        caller = _From(source, self.number)
        message = Message("POST", "/heartbeat", b"{}", read_acknowledgement, key="k1")
        (attempt,) = caller.send(message, ())
        return attempt


class _From(ConsoleCaller):
    """A console that calls from one of this machine's addresses."""

    def __init__(self, source: str, port: int) -> None:
        context = caller_context("", anonymous=True)
        super().__init__(f"https://{KNOWN}:{port}", context, total_s=PATIENCE_S, forwarded=True)
        self.source = source

    def try_once(self, message: Message, *rest: object) -> Attempt:
        with pytest.MonkeyPatch.context() as patch:
            inner = socket.socket.connect

            def connect(made: socket.socket, address: tuple[str, int]) -> None:
                made.bind((self.source, 0))
                inner(made, address)

            patch.setattr(socket.socket, "connect", connect)
            return super().try_once(message, *rest)  # type: ignore[arg-type]


@pytest.fixture
def port() -> Iterator[Port]:
    site = Site(KNOWN, "hmc-b")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_dh_params(f"{DH_PARAMETERS}")
    suites_for(context, anonymous=True)
    listener = socket.create_server(("0.0.0.0", 0))
    most = listening.CALLERS // 2
    with listening.serving(site.desk(serves=True), context, listener, most_of_one=most):
        yield Port(listener.getsockname()[1], site)


def call(port: Port) -> socket.socket:
    caller = socket.socket()
    caller.settimeout(20.0)
    caller.bind((WILD, 0))
    caller.connect((KNOWN, port.number))
    return caller


def wild_bytes(chance: random.Random) -> bytes:
    """Noise, what looks like TLS, and what looks like HTTP."""
    noise = chance.randbytes(chance.randrange(1, 400))
    begun = b"\x16\x03\x01" + struct.pack("!H", chance.randrange(1, 600)) + b"\x01\x00" + noise
    clear = b"PUT /requests/k1 HTTP/1.1\r\nContent-Length: 9\r\n\r\n" + noise
    return chance.choice((noise, begun, clear))


def test_wild_callers_are_without_effect(port: Port) -> None:
    """More than 100,000 bytes, by callers that stay, leave, or leave with a reset."""
    chance = random.Random(9920)
    sent = 0
    for _ in range(CALLERS):
        # A server that turns a caller away may be faster than the caller.
        with contextlib.suppress(ConnectionError), call(port) as caller:
            content = wild_bytes(chance)
            sent += len(content)
            caller.sendall(content)
            if chance.random() < 0.5:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert sent > 100_000
    assert (port.site.asked, port.site.told) == ([], [])

    assert port.ask(KNOWN).acknowledgement["by"] == "hmc-b"
    assert port.site.asked == ["hmc-b"]


def test_who_holds_many_connections_takes_the_room_of_nobody_else(port: Port) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(2 * listening.CALLERS):
            held.enter_context(call(port))

        assert port.ask(KNOWN).acknowledgement["by"] == "hmc-b"


def test_a_stranger_with_tls_is_told_so(port: Port) -> None:
    refused = port.ask(WILD)

    assert "403" in refused.why
    assert f"{WILD} is no console that hmc-b has discovered" in refused.why
    assert (port.site.asked, port.site.told) == ([], [])


def test_wild_requests_of_a_known_console_are_without_effect() -> None:
    """100,000 of them: what another console says may be as wild as any."""
    chance = random.Random(9920)
    site = Site("hmc-a")
    desk = site.desk(serves=True)
    whole = said(path="/heartbeat")
    for _ in range(REQUESTS):
        body = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            body[chance.randrange(len(body))] = chance.choice(b'\x00\xff"{}[]:,0e')
        path = f"/requests/{chance.choice(('k1', '', '..', 'k' * 99, 'a%20b'))}"
        wild = bytes(body[: chance.randrange(len(body))])
        reply = desk.answer(WebRequest("PUT", path, body=wild, peer=chance.choice(("hmc-a", HERE))))
        assert reply.status in (400, 404)
    assert (site.asked, site.told) == ([], [])
