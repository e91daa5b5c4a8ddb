"""The relay and both ends over real TLS on loopback: sessions, slow readers, and what goes wrong."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trustme

from lab.errors import KernelError, LabBroke, ProtocolError
from lab.relay import calling, flow, frames, server
from lab.relay.calling import NoRelay, RelayRefused
from lab.relay.events import (
    CodeGiven,
    CodeNotTaken,
    RelayTried,
    SessionJoined,
    SessionParted,
)
from lab.relay.forwarding import ConsoleEnd, RepresentativeEnd, SessionOver
from lab.relay.frames import Party, Refusal, RelayKind
from lab.relay.server import MOST_CALLERS, MOST_QUEUED
from lab.wait import let_pass, wait_until
from tests.unit.relay.sites import (
    ADDRESS,
    NAME,
    LoopbackSession,
    RelaySite,
    frame,
    read_all,
    relay_threads,
)
from tests.unit.sabotage import steps_that_fail
from tunnels.answering import ToldToEnd

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RelaySite]:
    yield RelaySite(tmp_path, ports=3)
    assert relay_threads() == []


@pytest.fixture
def told() -> Iterator[int]:
    made = os.eventfd(0, os.EFD_CLOEXEC)
    yield made
    os.close(made)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says what it hears, and ends when its client does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_echo, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _echo(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_echo_one, args=(connection,), daemon=True).start()


def _echo_one(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while data := connection.recv(65_536):
            connection.sendall(data)


def read_some(client: ssl.SSLSocket, size: int) -> bytes:
    """So many bytes."""
    found = b""
    while len(found) < size:
        found += client.recv(size - len(found))
    return found


def through(session: LoopbackSession, port: int, data: bytes) -> bytes:
    with socket.create_connection(session.forwards[port], timeout=20) as client:
        sender = threading.Thread(target=_send_all, args=(client, data), daemon=True)
        sender.start()
        got = b"".join(iter(lambda: client.recv(65_536), b""))
        sender.join()
        return got


def _send_all(client: socket.socket, data: bytes) -> None:
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)


class TestSession:
    def test_a_connection_goes_through_and_back(
        self, site: RelaySite, told: int, echo: int
    ) -> None:
        data = os.urandom(2_000_000)
        with site.relay(), LoopbackSession(site, (echo,), told) as session:
            assert through(session, echo, data) == data
            assert through(session, echo, b"again") == b"again"
            console = session.console.end
            assert isinstance(console, ConsoleEnd)
            assert console.led == {echo}
        assert len(site.told(CodeGiven)) == len(site.told(SessionJoined)) == 1
        (parted,) = site.told(SessionParted)
        assert isinstance(parted, SessionParted)
        assert parted.received + parted.sent > 4_000_000

    def test_what_is_not_permitted_or_does_not_listen(
        self, site: RelaySite, told: int, echo: int
    ) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            closed = nobody.getsockname()[1]
            with site.relay(), LoopbackSession(site, (echo, closed), told) as session:
                assert session.ask(echo) == "open"
                assert session.ask(closed) == "no-answer"
                assert session.ask(1) == "not-permitted"
                with socket.create_connection(session.forwards[closed], timeout=20) as client:
                    assert client.recv(100) == b""
                assert session.forwards.keys() == {echo, closed}
                console = session.console.end
                assert isinstance(console, ConsoleEnd)
                assert (console.led, console.denied) == ({echo}, 1)

    def test_a_slow_reader_stops_its_own_channel_only(
        self, site: RelaySite, told: int, echo: int
    ) -> None:
        with site.relay(), LoopbackSession(site, (echo,), told) as session:
            with socket.create_connection(session.forwards[echo], timeout=20) as slow:
                slow.setblocking(False)
                sent = 0

                def without_room() -> list[object]:
                    nonlocal sent
                    with contextlib.suppress(BlockingIOError):
                        while sent < 64_000_000:
                            sent += slow.send(bytes(65_536))
                    end = session.representative.end
                    return [p for p in end._pipes.values() if not end._wanted(p) & select.POLLIN]

                wait_until("a channel without room is polled for no more", without_room, 20.0)
                assert sent < 64_000_000, "somebody holds what nobody reads"
                assert through(session, echo, b"others go on") == b"others go on"
                wait_until("a channel without room is still polled for no more", without_room, 20.0)
            for end in (session.console.end, session.representative.end):
                held = sum(len(pipe.out) for pipe in end._pipes.values())
                assert held <= 65_536
                assert end._flow.queued < 1 << 20

    def test_a_relay_holds_little_of_what_nobody_takes(self, site: RelaySite) -> None:
        """Two ends of another make, one of which only speaks, and the other never listens."""
        with site.relay() as relay, site.tls() as deaf, site.tls() as talker:
            deaf.sendall(frames.hello(Party.representative) + frame(RelayKind.invite))
            head = read_some(deaf, len(frames.hello(Party.relay) + frames.code("0000000", 300)))
            talker.sendall(frames.hello(Party.console) + frame(RelayKind.redeem, head[-11:-4]))
            read_some(talker, len(frames.hello(Party.relay) + frame(RelayKind.joined)))
            talker.settimeout(0.5)
            sent = 0
            with contextlib.suppress(TimeoutError):
                while sent < 64_000_000:
                    talker.sendall(bytes(65_536))
                    sent += 65_536
            assert sent < 64_000_000, "somebody holds what nobody reads"
            assert max(leg.flow.queued for leg in relay._legs.values()) < MOST_QUEUED + 65_536

    def test_many_connections_wait_for_a_channel(
        self, site: RelaySite, told: int, echo: int
    ) -> None:
        with (
            site.relay(),
            LoopbackSession(site, (echo,), told) as session,
            contextlib.ExitStack() as stack,
        ):
            clients = [
                stack.enter_context(socket.create_connection(session.forwards[echo], timeout=20))
                for _ in range(100)
            ]
            for number, client in enumerate(clients):
                client.sendall(b"%d" % number)
                client.shutdown(socket.SHUT_WR)
            got = [b"".join(iter(partial(client.recv, 100), b"")) for client in clients]
            assert got == [b"%d" % number for number in range(100)]

    def test_the_representative_leaves(self, site: RelaySite, told: int, echo: int) -> None:
        with site.relay(), LoopbackSession(site, (echo,), told) as session:
            session.undo_representative.close()
            assert session.console.wait_until_over() == SessionOver(Refusal.left)
            assert session.representative.over == SessionOver(Refusal.left)

    def test_the_customer_ends_it(self, site: RelaySite, told: int, echo: int) -> None:
        with (
            site.relay(),
            LoopbackSession(site, (echo,), told) as session,
            socket.create_connection(session.forwards[echo], timeout=20) as client,
        ):
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
            session.undo_console.close()
            assert session.representative.wait_until_over() == SessionOver(Refusal.disabled)
            assert client.recv(100) == b""

    def test_a_wrong_frame_ends_it_and_says_why(
        self, site: RelaySite, told: int, echo: int
    ) -> None:
        with site.relay(), LoopbackSession(site, (echo,), told) as session:
            end = session.representative.end
            assert isinstance(end, RepresentativeEnd)
            wrong = frames.RelayFrame(RelayKind.open, 1, b"\x00\x16lpar-1").encode()
            end.wish(partial(end.send_raw, wrong))
            why = SessionOver(Refusal.wrong_frame, "open with a body of 8 bytes")
            assert session.console.wait_until_over() == why
            assert session.representative.wait_until_over() == why

    def test_the_relay_dies(self, site: RelaySite, told: int, echo: int) -> None:
        with contextlib.ExitStack() as stack:
            relay = stack.enter_context(contextlib.ExitStack())
            relay.enter_context(site.relay())
            session = stack.enter_context(LoopbackSession(site, (echo,), told))
            relay.close()
            over = session.console.wait_until_over()
            assert (over.reason, over.name) == (None, "cut-off")
            assert session.representative.wait_until_over().reason is None


class TestCodes:
    def test_a_used_code_is_refused(self, site: RelaySite, told: int) -> None:
        with site.relay(), contextlib.ExitStack() as stack:
            representative = stack.enter_context(site.line(Party.representative, told))
            code, valid_s = calling.invite(representative)
            assert valid_s == 300
            first = stack.enter_context(site.line(Party.console, told))
            calling.redeem(first, code)
            second = stack.enter_context(site.line(Party.console, told))
            with pytest.raises(RelayRefused, match="relay refuses: the code has been used already"):
                calling.redeem(second, code)
        assert [e.reason for e in site.told(CodeNotTaken)] == ["used-code"]  # type: ignore[attr-defined]

    def test_three_wrong_codes_end_the_connection(self, site: RelaySite, told: int) -> None:
        with site.relay(), site.line(Party.console, told) as line:
            for reason in (Refusal.unknown_code, Refusal.unknown_code, Refusal.too_many_tries):
                with pytest.raises(RelayRefused) as refused:
                    calling.redeem(line, "1234567")
                assert refused.value.reason is reason
            with pytest.raises(ProtocolError, match="relay has ended the connection"):
                line.hear(10.0)

    def test_a_representative_that_has_gone(self, site: RelaySite, told: int) -> None:
        with site.relay(), contextlib.ExitStack() as stack:
            with site.line(Party.representative, told) as representative:
                code, _ = calling.invite(representative)
            console = stack.enter_context(site.line(Party.console, told))
            with pytest.raises(RelayRefused, match="the representative whose code it is has left"):
                calling.redeem(console, code)


class TestWayToTheRelay:
    def test_ports_are_tried_in_order(self, site: RelaySite, told: int) -> None:
        with site.relay(only=1), site.line(Party.console, told):
            pass
        tried = [(e.port, e.phase, e.problem) for e in site.told(RelayTried)]  # type: ignore[attr-defined]
        assert tried == [
            (site.ports[0], "connect", "connection refused"), (site.ports[1], "hello", ""),
        ]  # fmt: skip

    def test_no_port_leads_there(self, site: RelaySite, told: int) -> None:
        problem = rf"does not come to relay \({re.escape(ADDRESS)}\): port .* refused"
        with pytest.raises(NoRelay, match=problem), site.line(Party.console, told):
            pass

    def test_a_silent_relay(
        self, site: RelaySite, told: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calling, "ANSWER_S", 0.2)
        silent, problem = site.relay(silent=True), r"no answer in 0\.2 s \(TLS\)"
        with silent, pytest.raises(NoRelay, match=problem), site.line(Party.console, told):
            pass

    def test_it_is_given_up_when_it_is_told_to_end(self, site: RelaySite, told: int) -> None:
        os.eventfd_write(told, 1)
        with site.relay(silent=True), pytest.raises(ToldToEnd), site.line(Party.console, told):
            pass

    @pytest.mark.parametrize("names", [("another",), (ADDRESS,)])
    def test_a_certificate_of_another_name(
        self, site: RelaySite, told: int, names: tuple[str, ...]
    ) -> None:
        site.certify(*names)
        problem = "certificate verify failed: Hostname mismatch"
        with site.relay(), pytest.raises(NoRelay, match=problem), site.line(Party.console, told):
            pass

    def test_a_certificate_of_another_authority(self, site: RelaySite, told: int) -> None:
        site.certify(NAME, authority=trustme.CA())
        problem = "certificate verify failed: unable to get local"
        with site.relay(), pytest.raises(NoRelay, match=problem), site.line(Party.console, told):
            pass

    def test_somebody_else_s_server(self, site: RelaySite, told: int) -> None:
        context = flow.server_context(site.keys / "relay.pem", site.keys / "log")
        with socket.create_server((ADDRESS, site.ports[0])) as listener:
            thread = threading.Thread(target=_say, args=(listener, context), daemon=True)
            thread.start()
            problem = "does not keep to the protocol: there is no kind 83"
            with pytest.raises(NoRelay, match=problem), site.line(Party.console, told):
                pass
            thread.join()


def _say(listener: socket.socket, context: ssl.SSLContext) -> None:
    raw, _ = listener.accept()
    with context.wrap_socket(raw, server_side=True) as client, contextlib.suppress(OSError):
        client.sendall(b"SSH-2.0-rubbish\r\n")
        client.recv(100)


class TestStrangers:
    """Whoever else speaks to the relay; afterwards it serves as before."""

    @pytest.fixture(autouse=True)
    def relay(self, site: RelaySite, told: int) -> Iterator[None]:
        with site.relay():
            yield
            with site.line(Party.representative, told) as line:
                assert calling.invite(line)[1] == 300

    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", "there is no kind 71 of frame"),
            (frame(RelayKind.invite), "invite in the place of hello"),
            (
                frames.hello(Party.console) + frame(RelayKind.invite),
                "invite is not for a relay now",
            ),
        ],
    )
    def test_another_protocol_is_told_so(self, site: RelaySite, said: bytes, problem: str) -> None:
        with site.tls() as client:
            client.sendall(said)
            last = read_all(client)[-1]
        assert frames.read_refused(last) == (Refusal.wrong_frame, problem)

    @pytest.mark.parametrize("said", [b"", b"hello\r\n", b"\x16\x03\x01\xff\xff" + bytes(70_000)])
    def test_no_tls(self, site: RelaySite, said: bytes) -> None:
        with socket.create_connection((ADDRESS, site.ports[0]), timeout=10) as client:
            with contextlib.suppress(OSError):
                client.sendall(said)
                client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while client.recv(65_536):
                    pass

    def test_an_old_tls(self, site: RelaySite) -> None:
        old = pytest.warns(DeprecationWarning, match="TLSv1_1")
        with old, pytest.raises((ssl.SSLError, ConnectionError)):
            site.tls(ssl.TLSVersion.TLSv1_1)

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_new_tls(self, site: RelaySite, version: ssl.TLSVersion) -> None:
        with site.tls(version) as client:
            client.sendall(frames.hello(Party.console))
            assert client.recv(100) == frames.hello(Party.relay)

    def test_no_more_connections_than_it_serves(self, site: RelaySite) -> None:
        with contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection((ADDRESS, site.ports[0]), timeout=10))
                for _ in range(MOST_CALLERS + 1)
            ]
            assert clients[-1].recv(1) == b""

    @needs_openssl
    def test_openssl_agrees_that_it_is_tls(self, site: RelaySite) -> None:
        result = subprocess.run(
            ["openssl", "s_client", "-connect", f"{ADDRESS}:{site.ports[0]}", "-CAfile",
             site.keys / "ca.pem", "-verify_hostname", NAME, "-verify_return_error", "-brief"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert "Protocol version: TLSv1.3" in result.stdout + result.stderr
        assert "Verification: OK" in result.stdout + result.stderr


def test_a_port_that_is_taken(site: RelaySite) -> None:
    taken, problem = site.ports[1], f"cannot listen on {ADDRESS} port {site.ports[1]}"
    with (
        socket.create_server((ADDRESS, taken)),
        pytest.raises(KernelError, match=problem),
        site.relay(),
    ):
        pass


def test_no_certificate(site: RelaySite) -> None:
    (site.keys / "relay.pem").unlink()
    with pytest.raises(LabBroke, match="far cannot use its certificate"), site.relay():
        pass


def test_a_peer_that_takes_nothing(site: RelaySite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "STALLED_S", 0.2)
    with socket.create_server((ADDRESS, 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    server_end = flow.TlsFlow(
        server, flow.server_context(site.keys / "relay.pem", site.keys / "log"), server=True
    )
    client_end = flow.TlsFlow(client, flow.client_context(site.keys / "ca.pem"), name=NAME)
    wait_until("the handshake is over", lambda: server_end.shake() & client_end.shake(), 60.0)
    with contextlib.closing(client_end), contextlib.closing(server_end):
        server_end.queue(bytes(32_000_000))
        with pytest.raises(flow.FlowBroke, match=r"has taken nothing for 0\.2 s"):
            flush_again_and_again(server_end)
        assert server_end.queued > 0


def flush_again_and_again(end: flow.TlsFlow) -> None:
    """The kernel may take some more at first."""
    for _ in range(100):
        end.flush()
        let_pass(0.25)


def test_whatever_fails_on_the_way_up_nothing_is_left_open(
    site: RelaySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A context has a file for the keys open until nobody knows the context any more.
    context = flow.server_context(site.keys / "relay.pem", site.keys / "log")
    monkeypatch.setattr(server, "server_context", lambda *_: context)

    steps = steps_that_fail(site.relay)

    assert {"socket.__init__", "eventfd", "Thread.start"} <= set(steps)
