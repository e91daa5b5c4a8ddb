"""The representative at the relay and the console's entrance, on loopback: what befalls their threads."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lab.errors import ProtocolError, UsageError
from lab.linux.nodes import Node
from lab.linux.worker import start_worker
from lab.relay import calling
from lab.relay.events import PortAsked, PortsAsked, WaitedAtRelay
from lab.relay.forwarding import ConsoleEnd
from lab.relay.frames import Party, Refusal
from lab.service import at_relay, by_internet
from lab.service.at_relay import RelayedRepresentative
from lab.topology.service import Inbound, RemoteService
from lab.wait import wait_until
from tests.unit.relay.sites import ADDRESS, NAME, EndAtWork, RelaySite, reach, relay_threads

FORWARDS = ADDRESS.replace("127.5.", "127.6.")


class HereNode:
    """A node that is this machine."""

    name = "service"

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def socket(self, family: int, kind: int) -> socket.socket:
        return socket.socket(family, kind)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RelaySite]:
    site = RelaySite(tmp_path)
    monkeypatch.setattr(by_internet, "RELAY_PORTS", site.ports)
    monkeypatch.setattr(at_relay, "FORWARDS", FORWARDS)
    yield site
    assert relay_threads() == []


@pytest.fixture
def guest(site: RelaySite) -> Iterator[RelayedRepresentative]:
    service = RemoteService(
        console="hmc", neighbour="console", ports=(22, 443), server="service", relay=NAME,
        relay_address=ADDRESS, relay_inside=ADDRESS, by=Inbound.internet, console_allowed=True,
    )  # fmt: skip
    node = cast(Node, HereNode())

    def tools() -> contextlib.AbstractContextManager[Node]:
        return contextlib.nullcontext(node)

    guest = RelayedRepresentative(node, service, site.keys / "ca.pem", site.events.append, tools)
    yield guest
    guest.stop()


@contextlib.contextmanager
def let_in(site: RelaySite, code: str, ports: tuple[int, ...]) -> Iterator[EndAtWork]:
    """The customer enters the code."""
    told = os.eventfd(0, os.EFD_CLOEXEC)
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, told)
        line = undo.enter_context(site.line(Party.console, told))
        calling.redeem(line, code)
        console = EndAtWork(ConsoleEnd(line.flow, line.rest(), ports, reach))
        undo.enter_context(start_worker(console.run, "relay test console"))
        yield console


def test_without_a_relay_there_is_no_code(guest: RelayedRepresentative) -> None:
    assert not guest.knock()
    assert "service does not come to relay" in guest.said
    assert not guest.authenticate(guest._service)
    with pytest.raises(UsageError, match="no session stands"):
        guest.ask(22)


def test_a_session_reaches_ports_by_loopback(site: RelaySite, guest: RelayedRepresentative) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, site.relay():
        port = server.getsockname()[1]
        assert guest.knock()
        assert guest.waiting
        with let_in(site, guest.code, (port,)) as console:
            assert guest.authenticate(guest._service)
            assert guest.forwards == {port: (FORWARDS, port)}
            with socket.create_connection(guest.forwards[port], timeout=10) as client:
                client.sendall(b"hello")
                accepted, _ = server.accept()
                with accepted:
                    assert accepted.recv(5) == b"hello"
            assert guest.ask(1) == "not-permitted"
            assert guest.ask_ports(range(1, 65_536)) == f"{port}"
            guest.leave()
            assert console.wait_until_over().reason is Refusal.left
    assert [e.joined for e in site.events if isinstance(e, WaitedAtRelay)] == [True]
    assert [e.answer for e in site.events if isinstance(e, PortAsked)] == ["not-permitted"]
    (survey,) = (e for e in site.events if isinstance(e, PortsAsked))
    assert (survey.asked, survey.answered, survey.permitted) == (65_535, 65_535, f"{port}")


def test_a_port_that_is_taken_gets_another(site: RelaySite, guest: RelayedRepresentative) -> None:
    with socket.create_server((FORWARDS, 0)) as taken, site.relay():
        port = taken.getsockname()[1]
        assert guest.knock()
        with let_in(site, guest.code, (port,)):
            assert guest.authenticate(guest._service)
            address, local = guest.forwards[port]
            assert address == FORWARDS
            assert local != port
            guest.leave()


def test_a_host_cannot_be_named(site: RelaySite, guest: RelayedRepresentative) -> None:
    with site.relay():
        assert guest.knock()
        with let_in(site, guest.code, (22,)) as console:
            assert guest.authenticate(guest._service)
            over = guest.name_a_host(22, "lpar-1")
            assert over is not None
            assert (over.name, over.words) == ("wrong-frame", "open with a body of 8 bytes")
            assert console.wait_until_over() == over
    assert not guest.connected


def test_more_time_is_given_once(site: RelaySite, guest: RelayedRepresentative) -> None:
    with site.relay():
        assert guest.knock()
        assert guest.extend() == 900
        with pytest.raises(ProtocolError, match="the code cannot be extended again"):
            guest.extend()
        assert guest.valid_s == 900
        with let_in(site, guest.code, (22,)):
            assert guest.authenticate(guest._service)
            with pytest.raises(UsageError, match="there is no code that is waited with"):
                guest.extend()
            guest.leave()


def test_a_second_knock_is_another_code(site: RelaySite, guest: RelayedRepresentative) -> None:
    with site.relay():
        assert guest.knock()
        first = guest.code
        assert guest.knock()
        with pytest.raises(calling.RelayRefused) as refused, let_in(site, first, (22,)):
            pass
        assert refused.value.reason is Refusal.withdrawn_code
        with let_in(site, guest.code, (22,)):
            assert guest.authenticate(guest._service)
            guest.leave()


def test_the_relay_dies_while_a_code_is_waited_with(
    site: RelaySite, guest: RelayedRepresentative
) -> None:
    with site.relay():
        assert guest.knock()
    wait_until("the representative has seen it", lambda: not guest.waiting, 60.0)
    assert not guest.authenticate(guest._service)
    assert guest.said == "relay has ended the connection"
    (waited,) = (e for e in site.events if isinstance(e, WaitedAtRelay))
    assert waited.result == "relay has ended the connection"


def test_nobody_enters_the_code(
    site: RelaySite, guest: RelayedRepresentative, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_relay, "WAITS_S", 0.3)
    with site.relay():
        assert guest.knock()
        assert not guest.authenticate(guest._service)
    (waited,) = (e for e in site.events if isinstance(e, WaitedAtRelay))
    assert waited.result in ("nobody has entered the code", "relay has not answered in 0.3 s")
