"""What listens in a node, as the kernel's tables say it: sockets of this process are the second opinion."""

from __future__ import annotations

import socket

import pytest

from lab.linux import listening
from lab.linux.listening import Sockets
from tests.ports import free_port


@pytest.mark.parametrize(
    ("family", "bound", "heard", "deaf"),
    [
        (socket.AF_INET, "127.0.0.1", ["127.0.0.1"], ["127.0.0.2", "::1"]),
        (socket.AF_INET, "0.0.0.0", ["127.0.0.1", "192.0.2.1"], ["::1"]),
        (socket.AF_INET6, "::1", ["::1"], ["127.0.0.1", "2001:db8::1"]),
        (socket.AF_INET6, "::", ["::1", "127.0.0.1", "2001:db8::1"], []),
        (socket.AF_INET6, "::ffff:127.0.0.1", ["127.0.0.1"], ["::1"]),
    ],
)
def test_addresses(family: int, bound: str, heard: list[str], deaf: list[str]) -> None:
    for kind, protocol in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
        with socket.socket(family, kind) as one:
            one.bind((bound, free_port()))
            if kind == socket.SOCK_STREAM:
                one.listen()
            port = one.getsockname()[1]
            found = listening.sockets()

            assert [a for a in (*heard, *deaf) if found.hears(protocol, a, port)] == heard
            other = {"tcp": "udp", "udp": "tcp"}[protocol]
            assert (other, bound, port) not in found.open


def test_a_socket_that_is_only_bound_or_connected_listens_to_nobody() -> None:
    with socket.socket() as bound, socket.create_server(("127.0.0.1", 0)) as server:
        bound.bind(("127.0.0.1", 0))
        assert not listening.sockets().hears("tcp", *bound.getsockname())
        mine = "127.0.0.1", free_port()
        with socket.create_connection(server.getsockname(), None, mine) as caller:
            assert not listening.sockets().hears("tcp", *caller.getsockname())


def test_nothing_is_heard_where_nothing_listens() -> None:
    assert not Sockets(frozenset()).hears("tcp", "127.0.0.1", 443)
