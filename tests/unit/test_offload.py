"""The server that users enter at agents: it takes all that comes, and tells of each connection once."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from lab.errors import KernelError
from lab.offload.events import DataTaken
from lab.offload.server import MOST_CALLERS, OffloadServer, serving
from lab.record.event import Event
from lab.wait import wait_until
from tests.ports import free_port

DEADLINE_S = 20.0
"""For what another thread does; a right server takes no time."""


class _Here:
    """This machine, as a node."""

    name = "files"

    def call(self, function: Callable[..., Any], *words: Any) -> Any:
        return function(*words)


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(port: int, told: list[Event]) -> Iterator[OffloadServer]:
    node = cast("Any", _Here())
    with serving(node, [("127.0.0.1", port)], told.append) as running:
        yield running
        running.check()


def connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
    made.settimeout(DEADLINE_S)
    return made


def taken(told: list[Event], number: int) -> list[DataTaken]:
    wait_until("the server has told", lambda: len(told) >= number, DEADLINE_S)
    return [event for event in told if isinstance(event, DataTaken)]


@pytest.mark.usefixtures("server")
def test_it_takes_all_and_closes_when_the_client_has(port: int, told: list[Event]) -> None:
    with connect(port) as made:
        made.sendall(bytes(3_000_000))
        made.shutdown(socket.SHUT_WR)
        assert made.recv(1) == b""
        own = made.getsockname()[1]

    (event,) = taken(told, 1)
    assert (event.taken, event.whole, event.port) == (3_000_000, True, port)
    assert (event.source, event.peer, event.peer_port) == ("files", "127.0.0.1", own)


@pytest.mark.usefixtures("server")
def test_a_connection_that_is_reset_was_not_whole(port: int, told: list[Event]) -> None:
    with connect(port) as other, connect(port) as made:
        made.sendall(b"half")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        made.close()
        (event,) = taken(told, 1)
        assert not event.whole
        # The others go on.
        other.sendall(b"all")
        other.shutdown(socket.SHUT_WR)
        assert other.recv(1) == b""

    assert [(e.taken, e.whole) for e in taken(told, 2)][1] == (3, True)


@pytest.mark.usefixtures("server")
def test_one_caller_too_many_is_turned_away_and_told_of_nowhere(
    port: int, told: list[Event]
) -> None:
    many = [connect(port) for _ in range(MOST_CALLERS)]
    for each in many:
        each.sendall(b"x")
    with connect(port) as late:
        assert late.recv(1) == b""
    for each in many:
        each.shutdown(socket.SHUT_WR)
        assert each.recv(1) == b""
        each.close()

    assert [event.taken for event in taken(told, MOST_CALLERS)] == [1] * MOST_CALLERS


def test_what_is_open_at_the_end_is_told_as_broken_off(port: int, told: list[Event]) -> None:
    with serving(cast("Any", _Here()), [("127.0.0.1", port)], told.append) as running:
        made = connect(port)
        made.sendall(b"half")
        wait_until("the server has it", lambda: running.callers == 1, DEADLINE_S)
    with made:
        (event,) = taken(told, 1)
        assert not event.whole


def test_a_port_that_is_taken_says_so(port: int) -> None:
    node = cast("Any", _Here())
    places = [("127.0.0.1", port)]
    with (
        serving(node, places, print),
        pytest.raises(KernelError) as caught,
        serving(node, places, print),
    ):
        raise AssertionError("two servers at one port")

    assert f"127.0.0.1 port {port} in node files" in caught.value.message
    assert "another program of the node has the port" in caught.value.hint
