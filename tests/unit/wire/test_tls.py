"""TCP connections as streams, and the TLS records in these: what is lost, doubled or no TLS."""

from __future__ import annotations

import random

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from lab.wire import decode, tls
from lab.wire.decode import Frame
from lab.wire.tls import NoTls, TlsRecord

CLIENT, SERVER = "192.0.2.1", "192.0.2.2"


def frame(
    flags: str, sequence: int, payload: bytes = b"", *, back: bool = False, port: int = 4000
) -> Frame:
    source, destination = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    ports = (443, port) if back else (port, 443)
    packet = (
        Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x800)
        / IP(src=source, dst=destination)
        / TCP(sport=ports[0], dport=ports[1], flags=flags, seq=sequence % (1 << 32))
        / Raw(payload)
    )
    return decode.read_frame("lan", 1, 0.0, bytes(packet))


def record(kind: int, body: bytes, version: int = 0x0303) -> bytes:
    return bytes([kind]) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize("first", [1_000, (1 << 32) - 20], ids=["usual", "wraps"])
def test_a_stream_is_put_together(first: int) -> None:
    data = bytes(range(100))
    pieces = [frame("PA", first + 1 + at, data[at : at + 10]) for at in range(0, 100, 10)]
    again = [frame("PA", first + 1 + 15, data[15:35]), pieces[3]]
    mixed = [*pieces, *again]
    random.Random(1).shuffle(mixed)
    opening = [frame("S", first), frame("SA", 7, back=True), frame("A", first + 1)]
    (found,) = tls.connections([*opening, *mixed, frame("PA", 8, b"yes", back=True)])
    assert (found.client, found.server, found.port, found.opened) == (CLIENT, SERVER, 443, True)
    assert (found.out, found.back) == (data, b"yes")


def test_a_stream_ends_at_a_gap() -> None:
    frames = [frame("S", 0), frame("PA", 1, b"abc"), frame("PA", 5, b"efg")]
    (found,) = tls.connections(frames)
    assert found.out == b"abc"


def test_a_connection_without_its_syn_is_known() -> None:
    (found,) = tls.connections([frame("PA", 50, b"abc", back=True), frame("PA", 9, b"x")])
    assert (found.client, found.opened, found.out, found.back) == (SERVER, False, b"abc", b"x")


def test_a_port_that_is_used_again_is_another_connection() -> None:
    frames = [
        frame("S", 0), frame("S", 0), frame("PA", 1, b"one"),
        frame("S", 900), frame("PA", 901, b"two"), frame("S", 0, port=4001),
    ]  # fmt: skip
    assert [each.out for each in tls.connections(frames)] == [b"one", b"two", b""]


def test_records_are_read_and_the_last_may_be_cut() -> None:
    stream = record(22, b"\x01hello", 0x0301) + record(20, b"\x01") + record(23, bytes(100))[:50]
    assert tls.records(stream) == [
        TlsRecord(22, 0x0301, b"\x01hello"), TlsRecord(20, 0x0303, b"\x01"), TlsRecord(23, 0x0303, bytes(45)),
    ]  # fmt: skip
    assert tls.records(b"") == tls.records(b"\x16\x03") == []


@pytest.mark.parametrize(
    "rubbish",
    [
        b"SSH-2.0-OpenSSH", b"\x19\x03\x03\x00\x01x", b"\x16\x02\x03\x00\x01x", b"\x16\x03\x03\x00\x00",
        b"\x16\x03\x03\x50\x00", b"\x00" * 5,
    ],
)  # fmt: skip
def test_what_is_no_tls_is_told(rubbish: bytes) -> None:
    with pytest.raises(NoTls, match="byte 0 begins no TLS record"):
        tls.records(rubbish)
    with pytest.raises(NoTls, match="byte 6 begins no TLS record"):
        tls.records(record(22, b"x") + rubbish)
