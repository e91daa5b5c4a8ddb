"""A server that answers half, or nothing, or nonsense: what is queued goes to the next one, once."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from lab.agent.message import ServerUrl
from lab.agent.session import open_session
from tests.unit.agent.lives import AgentLife, LiveAgent

Act = Callable[[ssl.SSLSocket, bytes], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def request(caller: ssl.SSLSocket) -> bytes:
    """One request, to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = caller.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.startswith(b"Content-Length")), 0
    )
    while len(body) < length:
        body += caller.recv(65536)
    return head


@contextlib.contextmanager
def misbehaving(folder: Path, act: Act) -> Iterator[tuple[str, bytes]]:
    """A server that does ``act`` after each request; its URL, and its authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as tls:
                while head := request(tls):
                    act(tls, head)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", authority.cert_pem.bytes()
        listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def before_the_site(alive: AgentLife, act: Act) -> Iterator[LiveAgent]:
    """An agent whose first server misbehaves, and whose second one is IBM's."""
    with misbehaving(alive.folder, act) as (url, certificate):
        trusted = alive.folder / "both.pem"
        trusted.write_bytes(certificate + alive.site.ca_file.read_bytes())
        yield alive.agent(alive.settings(urls=[url, alive.site.url], ca_file=str(trusted)))


def says(answer: bytes, *, ends: bool = True) -> Act:
    def act(caller: ssl.SSLSocket, head: bytes) -> None:
        caller.sendall(answer)
        if ends:
            caller.shutdown(socket.SHUT_RDWR)

    return act


@pytest.mark.parametrize(
    ("act", "event", "why"),
    [
        (says(b""), "failed", "without an answer"),
        (says(b"HTTP/1.1 200 O"), "failed", "ended inside"),
        (says(OK + b"Content-Length: 90\r\n\r\n" + b'{"transaction": "SDR0'), "failed", "inside the body"),
        (says(b"GARBAGE\r\n\r\n", ends=False), "failed", "HTTP"),
        (says(OK + b"Content-Length: 999999999999999999999\r\n\r\n", ends=False), "failed", "Content-Length"),
        (says(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", ends=False), "refused", "500"),
        (says(b"HTTP/1.1 421 Not I\r\nContent-Length: 0\r\n\r\n", ends=False), "refused", "421"),
        (says(OK + b"Content-Length: 2\r\n\r\n{}", ends=False), "", ""),
        (says(OK + b"Content-Length: 4\r\n\r\nnull", ends=False), "", ""),
        (says(OK + b'Content-Length: 23\r\n\r\n{"id": 3, "password":1}', ends=False), "", ""),
    ],
)  # fmt: skip
def test_what_one_server_answers_badly_the_next_one_gets(
    alive: AgentLife, act: Act, event: str, why: str
) -> None:
    with before_the_site(alive, act) as agent:
        agent.reports.regular("inventory", agent.machine)
        assert agent.beat().kept == 0
        told = [str(e["why"]) for e in agent.events("failed", "refused")]
        assert all(e["event"] == event for e in agent.events("failed", "refused"))
    assert not event or any(why in each for each in told)
    kinds = [t.kind for t in alive.accepted]
    assert sorted(kinds) == ["service: enrolment", "service: heartbeat", "service: inventory"]
    assert agent.state.alerts.all() == {}


def test_an_answer_that_is_lost_is_got_again_from_the_next_server(alive: AgentLife) -> None:
    """IBM's side has the report, and the agent does not know it (R-11)."""
    agent = alive.agent()
    agent.beat()
    entry = agent.reports.regular("heartbeat", agent.machine)

    def pass_on(caller: ssl.SSLSocket, head: bytes) -> None:
        # As a server that hands the request on, and ends before the answer.
        context = ssl.create_default_context(cafile=str(alive.site.ca_file))
        host, port = "127.0.0.1", int(alive.site.url.rpartition(":")[2])
        with context.wrap_socket(
            socket.create_connection((host, port)), server_hostname=host
        ) as far:
            far.sendall(head + b"\r\n\r\n" + entry.content)
            assert b"201" in far.recv(65536)
        caller.shutdown(socket.SHUT_RDWR)

    with before_the_site(alive, pass_on) as other:
        sent = other.courier.send()
    assert sent.has(entry.report)
    assert [t.status for t in alive.site.transactions if t.report == entry.report] == [201, 200]


def test_a_server_that_ends_the_connection_after_each_answer_gets_all(alive: AgentLife) -> None:
    number = iter(range(100))
    seen: list[bytes] = []

    def one(caller: ssl.SSLSocket, head: bytes) -> None:
        seen.append(head)
        body = b'{"transaction": "T%d", "id": "I", "password": "P"}' % next(number)
        caller.sendall(OK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        caller.shutdown(socket.SHUT_RDWR)

    with before_the_site(alive, one) as agent:
        for kind in ("inventory", "performance"):
            agent.reports.regular(kind, agent.machine)
        assert agent.beat().kept == 0
    assert alive.site.transactions == ()
    assert len(seen) == 4
    assert [b"Authorization: Basic" in head for head in seen] == [False, True, True, True]


def test_the_log_in_is_said_once(alive: AgentLife) -> None:
    """E-08: in the first request of a session."""
    seen: list[bytes] = []

    def note(caller: ssl.SSLSocket, head: bytes) -> None:
        seen.append(head)
        caller.sendall(OK + b"Content-Length: 2\r\n\r\n{}")

    with misbehaving(alive.folder, note) as (url, certificate):
        trusted = alive.folder / "one.pem"
        trusted.write_bytes(certificate)
        context = alive.agent(alive.settings(ca_file=str(trusted))).state.context
        with open_session(ServerUrl(url), None, context) as session:
            session.log_in = "ID:pass"
            session.ask("GET", "/a")
            session.ask("GET", "/b")
    assert [b"Authorization: Basic SUQ6cGFzcw==" in head for head in seen] == [True, False]


def test_an_unknown_authority_is_told_as_such(alive: AgentLife) -> None:
    with misbehaving(alive.folder, says(b"")) as (url, _):
        agent = alive.agent(alive.settings(urls=[url]))
        assert agent.beat().kept == 2
    failed = agent.events("failed")
    assert {e["cause"] for e in failed} == {"certificate"}
    assert {e["phase"] for e in failed} == {"TLS"}


def test_nothing_of_a_customers_arrives(alive: AgentLife) -> None:
    """E-11: a canary beside the machine's files is nowhere in what the receiver has."""
    canary = "CANARY-4711-of-a-customer"
    folder = alive.folder / "machine"
    folder.mkdir()
    for name in ("iqyylog.log", "lshmc", "lssysconn"):
        (folder / name).write_text(f"machine's {name}")
    for name in ("orders.db", "customers.xml", "SYSDUMP.note", "hmc.eed~", ".iqyylog.log"):
        (folder / name).write_text(canary)
    agent = alive.agent(alive.settings(machine_files=str(folder)))
    for kind in ("heartbeat", "inventory", "performance"):
        agent.reports.regular(kind, agent.machine)
    entry = agent.reports.problem(agent.machine, {"reference_code": "B3036620"})
    agent.reports.extended(agent.machine, entry.report)
    assert agent.courier.send().kept == 0
    stored = b"".join(p.read_bytes() for p in (alive.folder / "ibm").rglob("*") if p.is_file())
    own = b"".join(p.read_bytes() for p in (alive.folder / "agent").rglob("*") if p.is_file())
    assert canary.encode() not in stored + own
    assert b"machine's iqyylog.log" in stored
    assert b"machine's lssysconn" in stored
