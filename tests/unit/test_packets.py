"""Many packets by one system call: what was sent comes, each by itself, with what it came with."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator

import pytest

from lab.linux import packets
from lab.linux.packets import Inbox, PacketRow

LOOPBACK = "127.0.0.1"
IP_RECVORIGDSTADDR = 20


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        far.setblocking(False)
        yield near, far


@pytest.fixture
def datagrams() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two of UDP on loopback."""
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with near, far:
        for each in (near, far):
            each.bind((LOOPBACK, 0))
        yield near, far


def test_a_row_is_a_sequence_of_packets() -> None:
    row = PacketRow(b"aabbcc", 2)
    assert len(row) == 3
    assert [*row] == [row[0], row[1], row[2]] == [b"aa", b"bb", b"cc"]
    for beyond in (3, -1):
        with pytest.raises(IndexError):
            row[beyond]


@pytest.mark.parametrize("header", [b"", b"to:"])
def test_a_row_is_sent_piece_by_piece(
    pair: tuple[socket.socket, socket.socket], header: bytes
) -> None:
    near, far = pair
    row = PacketRow(b"".join(bytes([n]) * 40 for n in range(8)), 40)
    send = packets.sender(near, row, header)
    gc.collect()
    send(0, 3)
    send(5, 2)
    send(0, 0)
    assert Inbox(200).take(far) == [header + row[n] for n in (0, 1, 2, 5, 6)]


def test_what_cannot_be_sent_is_an_error(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.close()
    with pytest.raises(OSError, match="sendmmsg"):
        packets.sender(near, PacketRow(b"ab", 1))(0, 2)


def test_an_inbox_takes_as_much_as_it_has_room_for(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    inbox = Inbox(4, count=3)
    assert inbox.take(far) == []
    for text in (b"a", b"bb", b"", b"dddd", b"eeeeee"):
        near.send(text)
    assert inbox.take(far) == [b"a", b"bb", b""]
    assert inbox.take(far) == [b"dddd", b"eeee"]
    assert inbox.take(far) == []


def test_a_socket_that_is_broken_is_an_error() -> None:
    with socket.socket() as unconnected, pytest.raises(OSError, match="recvmmsg"):
        Inbox(4).take(unconnected)


def test_a_datagram_comes_with_its_peer_and_what_the_kernel_says(
    datagrams: tuple[socket.socket, socket.socket],
) -> None:
    near, far = datagrams
    far.setsockopt(socket.SOL_IP, IP_RECVORIGDSTADDR, 1)
    inbox, (_, port) = Inbox(64, control=64, count=2), far.getsockname()
    for _ in range(2):
        near.sendto(b"one", far.getsockname())
        near.sendto(b"two", far.getsockname())
        found = inbox.take_with_peers(far)
        assert [each.data for each in found] == [b"one", b"two"]
        for each in found:
            assert (each.peer, each.peer_port) == near.getsockname()
            assert each.control[16:24] == (
                socket.AF_INET.to_bytes(2, "little")
                + port.to_bytes(2, "big")
                + socket.inet_aton(LOOPBACK)
            )
    assert inbox.take_with_peers(far) == []


def test_without_control_messages_there_are_none(
    datagrams: tuple[socket.socket, socket.socket],
) -> None:
    near, far = datagrams
    near.sendto(b"one", far.getsockname())
    (found,) = Inbox(64).take_with_peers(far)
    assert found.control == b""


def test_what_cannot_be_sent_to_one_does_not_keep_the_others(
    datagrams: tuple[socket.socket, socket.socket],
) -> None:
    near, far = datagrams
    place = far.getsockname()
    too_long = bytes(70_000)
    sent = [(b"one", place), (too_long, place), (b"two", (LOOPBACK, 0)), (b"three", place)]
    packets.send_to_each(near, sent)
    packets.send_to_each(near, [])
    assert Inbox(64).take(far) == [b"one", b"three"]
