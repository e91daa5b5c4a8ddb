"""Many packets by one system call: sendmmsg(2) and recvmmsg(2), which Python has no name for.

In the guest a system call costs ten times what a packet does.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lab.linux.syscalls import checked, libc

_MSG_DONTWAIT = 0x40
_ADDRESS = struct.Struct("!H4s")
"""Of a struct sockaddr_in, behind the family: port and address."""
_ADDRESS_BYTES = 16
_IOVEC_WORDS, _MESSAGE_WORDS = 2, 8
_NAME, _NAME_LENGTH, _VECTORS, _VECTOR_COUNT, _CONTROL, _CONTROL_LENGTH, _FLAGS, _LENGTH = range(8)
"""Of a struct mmsghdr where pointers have 64 bits, in words of these; some have padding behind."""
_WORD_BYTES = 8


@dataclass(frozen=True, slots=True)
class PacketRow:
    """Packets of one length, one after the other."""

    data: bytes
    size: int
    """Bytes of each."""

    def __len__(self) -> int:
        return len(self.data) // self.size

    def __getitem__(self, number: int) -> bytes:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self.data[number * self.size : (number + 1) * self.size]

    def __iter__(self) -> Iterator[bytes]:
        return (self[number] for number in range(len(self)))


SendSome = Callable[[int, int], None]
"""Sends packets of a row, each by itself: from which one on, and how many. Raises OSError."""


def sender(sock: socket.socket, row: PacketRow, header: bytes = b"") -> SendSome:
    """Get packets ready for a socket that is connected or bound; ``header`` goes before each."""
    count, parts = len(row), 2 if header else 1
    data = ctypes.create_string_buffer(row.data, len(row.data))
    before = ctypes.create_string_buffer(header, max(1, len(header)))
    at, step = ctypes.addressof(data), parts * _IOVEC_WORDS
    vectors = _words(step * count)
    if header:
        vectors[0::step] = _same(ctypes.addressof(before), count)
        vectors[1::step] = _same(len(header), count)
    vectors[step - 2 :: step] = array("Q", range(at, at + count * row.size, row.size))
    vectors[step - 1 :: step] = _same(row.size, count)
    return _Sender(sock, _messages(count, vectors, step), (data, before, vectors))


class _Sender:
    """A ``SendSome``; ``kept`` is what the messages point at, and has to live as long as they do."""

    def __init__(self, sock: socket.socket, messages: array[int], kept: tuple[object, ...]) -> None:
        self._sock = sock
        self._messages = messages
        self._kept = kept

    def __call__(self, first: int, number: int) -> None:
        assert 0 <= first <= first + number <= len(self._messages) // _MESSAGE_WORDS
        while number > 0:
            sent = _send_some(self._sock, self._messages, first, number)
            first, number = first + sent, number - sent


def send_to_each(sock: socket.socket, packets: Sequence[tuple[bytes, tuple[str, int]]]) -> None:
    """Send packets, each to an IPv4 address and port of its own; one that cannot be sent is lost.

    By a raw socket the port is 0.
    """
    count = len(packets)
    data = ctypes.create_string_buffer(b"".join(packet for packet, _ in packets))
    names = b"".join(
        struct.pack("=H", socket.AF_INET)
        + _ADDRESS.pack(port, socket.inet_aton(address))
        + bytes(8)
        for _, (address, port) in packets
    )
    peers = ctypes.create_string_buffer(names, len(names))
    vectors = _words(_IOVEC_WORDS * count)
    sizes = array("Q", (len(packet) for packet, _ in packets))
    at = ctypes.addressof(data)
    for number, size in enumerate(sizes):
        vectors[_IOVEC_WORDS * number] = at
        at += size
    vectors[1::_IOVEC_WORDS] = sizes
    messages = _messages(count, vectors, _IOVEC_WORDS)
    messages[_NAME::_MESSAGE_WORDS] = _places(ctypes.addressof(peers), count, _ADDRESS_BYTES)
    messages[_NAME_LENGTH::_MESSAGE_WORDS] = _same(_ADDRESS_BYTES, count)
    first = 0
    while first < count:
        # An error is about the first packet of a call; one that comes later ends the call before it.
        with contextlib.suppress(OSError):
            first += _send_some(sock, messages, first, count - first)
            continue
        first += 1


@dataclass(frozen=True, slots=True)
class Received:
    """A packet that came."""

    data: bytes
    peer: str
    """The IPv4 address it came from, of a datagram socket."""
    peer_port: int
    control: bytes
    """The first control message, with its header (cmsg(3)); empty if there is none."""


class Inbox:
    """Room for packets; each is cut off at ``size`` bytes."""

    def __init__(self, size: int, *, control: int = 0, count: int = 128) -> None:
        """``control``: bytes for the control messages of each packet."""
        self._size, self._control, self._count = size, control, count
        self._data = ctypes.create_string_buffer(size * count)
        self._peers = ctypes.create_string_buffer(_ADDRESS_BYTES * count)
        self._controls = ctypes.create_string_buffer(max(1, control * count))
        vectors = _words(_IOVEC_WORDS * count)
        vectors[0::_IOVEC_WORDS] = _places(ctypes.addressof(self._data), count, size)
        vectors[1::_IOVEC_WORDS] = _same(size, count)
        self._vectors = vectors
        self._messages = messages = _messages(count, vectors, _IOVEC_WORDS)
        messages[_NAME::_MESSAGE_WORDS] = _places(
            ctypes.addressof(self._peers), count, _ADDRESS_BYTES
        )
        if control:
            messages[_CONTROL::_MESSAGE_WORDS] = _places(
                ctypes.addressof(self._controls), count, control
            )
        self._name_lengths = _same(_ADDRESS_BYTES, count)
        self._control_lengths = _same(control, count)

    def take(self, sock: socket.socket) -> list[bytes]:
        """What has come to a socket so far, as much as there is room for; empty if nothing has."""
        lengths, size = self._receive(sock), self._size
        whole = memoryview(self._data)
        return [bytes(whole[n * size : n * size + length]) for n, length in enumerate(lengths)]

    def take_with_peers(self, sock: socket.socket) -> list[Received]:
        """The same with who sent each."""
        packets = self.take(sock)
        peers, controls = memoryview(self._peers), memoryview(self._controls)
        room = self._control
        used = self._messages[_CONTROL_LENGTH::_MESSAGE_WORDS]
        found = []
        for number, data in enumerate(packets):
            port, address = _ADDRESS.unpack_from(peers, number * _ADDRESS_BYTES + 2)
            control = bytes(controls[number * room : number * room + used[number]])
            found.append(Received(data, socket.inet_ntoa(address), port, control))
        return found

    def _receive(self, sock: socket.socket) -> array[int]:
        """The lengths of what has come."""
        messages = self._messages
        messages[_NAME_LENGTH::_MESSAGE_WORDS] = self._name_lengths
        messages[_CONTROL_LENGTH::_MESSAGE_WORDS] = self._control_lengths
        place = ctypes.c_void_p(messages.buffer_info()[0])
        count = libc.recvmmsg(sock.fileno(), place, self._count, _MSG_DONTWAIT, None)
        if count < 0 and ctypes.get_errno() == errno.EAGAIN:
            return array("Q")
        count = checked(count, "recvmmsg")
        return messages[_LENGTH : count * _MESSAGE_WORDS : _MESSAGE_WORDS]


def _send_some(sock: socket.socket, messages: array[int], first: int, number: int) -> int:
    """How many were sent, at least one; raises OSError if the first one could not be."""
    place = messages.buffer_info()[0] + first * _MESSAGE_WORDS * _WORD_BYTES
    return checked(libc.sendmmsg(sock.fileno(), ctypes.c_void_p(place), number, 0), "sendmmsg")


def _messages(count: int, vectors: array[int], step: int) -> array[int]:
    """Messages of ``step`` words of vectors each."""
    made = _words(_MESSAGE_WORDS * count)
    made[_VECTORS::_MESSAGE_WORDS] = _places(vectors.buffer_info()[0], count, step * _WORD_BYTES)
    made[_VECTOR_COUNT::_MESSAGE_WORDS] = _same(step // _IOVEC_WORDS, count)
    return made


def _words(count: int) -> array[int]:
    return array("Q", bytes(_WORD_BYTES * count))


def _same(value: int, count: int) -> array[int]:
    return array("Q", [value]) * count


def _places(first: int, count: int, step: int) -> array[int]:
    return array("Q", range(first, first + count * step, step))
