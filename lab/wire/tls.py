"""TCP connections of a capture as two streams of bytes, and the TLS records in these (RFC 8446 5.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lab.wire.decode import TCP, Frame, Packet, reverse

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2
TLS_1_2 = 0x0303
"""In a ServerHello of TLS 1.2, and of TLS 1.3, too (RFC 8446 4.1.3)."""
MOST_BYTES = 16_384 + 2_048
"""Of a protected record (RFC 5246 6.2.3)."""
_HEAD = struct.Struct("!BHH")
_WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class TlsRecord:
    """One record."""

    kind: int
    version: int
    body: bytes


class NoTls(ValueError):
    """What somebody said is not TLS; the words say where."""


def records(stream: bytes) -> list[TlsRecord]:
    """The records of one direction, from its first byte; the last one may be cut short. Raises NoTls."""
    return [
        TlsRecord(kind, version, stream[begin : begin + length])
        for kind, version, begin, length in _records(stream)
    ]


def whole_records(stream: bytearray) -> list[TlsRecord]:
    """Take the records off a stream that it has whole. Raises NoTls if another thing begins there."""
    found: list[TlsRecord] = []
    end = 0
    try:
        for kind, version, begin, length in _records(stream):
            if begin + length > len(stream):
                break
            end = begin + length
            found.append(TlsRecord(kind, version, bytes(stream[begin:end])))
    except NoTls:
        if not found:
            raise
    del stream[:end]
    return found


def _records(stream: bytes | bytearray) -> Iterator[tuple[int, int, int, int]]:
    """Kind, version, and where the body begins and how long it is, of each."""
    at = 0
    while at + _HEAD.size <= len(stream):
        kind, version, length = _HEAD.unpack_from(stream, at)
        known = CHANGE_CIPHER_SPEC <= kind <= APPLICATION_DATA
        if not known or version >> 8 != 3 or not 0 < length <= MOST_BYTES:
            begun = bytes(stream[at : at + 5]).hex(" ")
            raise NoTls(f"byte {at} begins no TLS record: {begun}")
        yield kind, version, at + _HEAD.size, length
        at += _HEAD.size + length


@dataclass(slots=True)
class TcpConnection:
    """One connection on one wire, from the packet that was seen first."""

    client: str
    """The address that sent it."""
    server: str
    port: int
    """The server's."""
    opened: bool
    """Whether the first packet was a bare SYN."""
    frames: list[Frame] = field(default_factory=list)
    sent: list[Packet] = field(default_factory=list)
    """By the client."""
    received: list[Packet] = field(default_factory=list)

    def carried(self, *, out: bool) -> list[tuple[Frame, Packet]]:
        """The client's packets, or the server's, each with its frame."""
        pairs = [(frame, frame.ip) for frame in self.frames if frame.ip]
        return [(frame, packet) for frame, packet in pairs if (packet.source == self.client) == out]

    @property
    def out(self) -> bytes:
        """What the client said, as far as nothing is missing."""
        return _joined(self.sent)

    @property
    def back(self) -> bytes:
        """What the server said."""
        return _joined(self.received)


def connections(frames: Iterable[Frame]) -> list[TcpConnection]:
    """All TCP connections of a wire, in the order of their first packets. A new SYN begins a new one."""
    found: list[TcpConnection] = []
    live: dict[object, TcpConnection] = {}
    for frame in frames:
        packet = frame.ip
        if packet is None or packet.protocol != TCP or packet.is_fragment:
            continue
        ends = packet.ends
        forth = live.get(ends)
        again = packet.is_bare_syn and forth is not None and not _repeats(forth, packet)
        if (forth is None and live.get(reverse(ends)) is None) or again:
            forth = TcpConnection(
                packet.source, packet.destination, packet.destination_port, packet.is_bare_syn
            )
            found.append(forth)
            live[ends] = forth
            live.pop(reverse(ends), None)
        if forth is not None:
            forth.frames.append(frame)
            forth.sent.append(packet)
        else:
            back = live[reverse(ends)]
            back.frames.append(frame)
            back.received.append(packet)
    return found


def _repeats(connection: TcpConnection, syn: Packet) -> bool:
    """Whether a SYN is the connection's own, sent once more."""
    return connection.opened and connection.sent[0].tcp_sequence == syn.tcp_sequence


def _joined(packets: list[Packet]) -> bytes:
    """The bytes of one direction up to the first gap; what came twice is there once."""
    syns = [packet for packet in packets if packet.is_bare_syn or packet.is_syn_ack]
    loaded = [packet for packet in packets if packet.payload]
    if not loaded:
        return b""
    start = (syns[0].tcp_sequence + 1) if syns else loaded[0].tcp_sequence
    pieces = sorted(((p.tcp_sequence - start) % _WRAP, p.payload) for p in loaded)
    stream = bytearray()
    for at, payload in pieces:
        if at > len(stream):
            break
        stream += payload[len(stream) - at :]
    return bytes(stream)
