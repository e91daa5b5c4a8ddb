"""Whatever bytes come: a packet is told as far as it can be read, and nothing raises."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.dissect import Dissected, Dissector, Unsealer
from lab.wire import calls, decode
from lab.wire.calls import Carried
from lab.wire.decode import Frame
from tests.recordings import archive

NAMES = ("vpn-nat", "proxy", "dual-stack", "dial", "consoles")
PACE_FRAMES = 20_000
MOST_S = 60
"""Of the processor for that many; what an endless loop takes is more, on any machine."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [archive.unpack(name, folder / name) for name in NAMES]


@pytest.fixture(scope="module")
def frames(runs: list[Path]) -> list[Frame]:
    return [f for run in runs for each in decode.read_all(run / "wire").values() for f in each]


@pytest.fixture(scope="module")
def carried(runs: list[Path]) -> list[Carried]:
    found = [calls.read(p) for run in runs for p in run.glob("wire/pstn.pcapng")]
    return [item for each in found for item in each]


@pytest.fixture(scope="module")
def opened(runs: list[Path]) -> Unsealer:
    return Unsealer.read(runs[0])


def told(packet: Dissected) -> None:
    assert packet.protocol
    text = [packet.source, packet.destination, packet.info]
    text += [word for layer in packet.layers for field in layer.fields for word in field]
    assert all("\n" not in each and "\0" not in each for each in text)


@given(st.binary(max_size=200))
def test_bytes_from_anywhere(data: bytes) -> None:
    told(Dissector().frame(decode.read_frame("lan", 1, 0.0, data)))


@given(chosen=st.randoms(use_true_random=False), data=st.data())
def test_a_true_packet_changed_anywhere(
    chosen: object, data: st.DataObject, frames: list[Frame], opened: Unsealer
) -> None:
    """Several in a row, as a connection of TCP has a state."""
    dissector = Dissector(opened)
    first = data.draw(st.integers(0, len(frames) - 8))
    for frame in frames[first : first + 8]:
        raw = bytearray(frame.data)
        for _ in range(data.draw(st.integers(0, 3))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(raw)))
        changed = decode.read_frame(
            "lan", 1, frame.time, bytes(raw[: cut if cut % 3 == 0 else None])
        )
        # The readers that judge leave out what has a wrong checksum; the text of any is to be told.
        told(dissector.frame(changed))


@given(
    body=st.binary(max_size=120),
    protocol=st.sampled_from((0x0021, 0xC021, 0xC023, 0xC223, 0x8021, 7)),
)
def test_any_frame_of_ppp_on_a_line(body: bytes, protocol: int) -> None:
    content = b"\xff\x03" + protocol.to_bytes(2, "big") + body
    item = calls.read_carried(1, 0.0, content, 1, "hmc-lig-1", outgoing=True)
    told(Dissector().carried(item))


@given(payload=st.binary(max_size=120), port=st.sampled_from((53, 500, 1701, 4500)))
def test_any_datagram_at_a_known_port(payload: bytes, port: int) -> None:
    told(Dissector().frame(decode.read_frame("lan", 1, 0.0, udp(payload, port))))


@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
                    b"\x16\x03\x03\xff\xff",
                    b"\x17\x03\x03\x00\x02ab",
                    b"\x15\x03\x03\x00\x02\x02\x28",
                    b"GET / HTTP/1.1\r\n",
                    b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nab",
                    b"HTTP/1.1 200 OK\r\n\r\n",
                    b"Transfer-Encoding: chunked\r\n\r\n",
                    b"\r\n\r\n",
                    b"0\r\n\r\n",
                    b"CONNECT h:443 HTTP/1.1\r\n\r\n",
                ]
            ),
        ),
        max_size=12,
    ),
    gaps=st.lists(st.integers(-20, 20), min_size=12, max_size=12),
)
def test_any_stream_of_tcp(pieces: list[bytes], gaps: list[int]) -> None:
    dissector, at = Dissector(), 0
    for number, (piece, gap) in enumerate(zip(pieces, gaps, strict=False), 1):
        at = max(0, at + (gap if gap % 5 == 0 else 0))
        told(
            dissector.frame(decode.read_frame("lan", number, 0.0, tcp(piece, at, number % 4 == 0)))
        )
        at += len(piece)


def udp(payload: bytes, port: int) -> bytes:
    body = port.to_bytes(2, "big") * 2 + (8 + len(payload)).to_bytes(2, "big") + b"\0\0" + payload
    return ip(17, body)


def tcp(payload: bytes, sequence: int, back: bool) -> bytes:
    ports = (443, 40000) if back else (40000, 443)
    head = b"".join(p.to_bytes(2, "big") for p in ports) + sequence.to_bytes(4, "big") + bytes(4)
    return ip(6, head + b"\x50\x18\xff\xff\0\0\0\0" + payload, back)


def ip(protocol: int, body: bytes, back: bool = False) -> bytes:
    ends = (b"\x0a\0\0\2", b"\x0a\0\0\1") if back else (b"\x0a\0\0\1", b"\x0a\0\0\2")
    head = b"\x45\0" + (20 + len(body)).to_bytes(2, "big") + bytes(4) + bytes((64, protocol))
    total = sum(
        int.from_bytes((head + b"\0\0" + b"".join(ends))[i : i + 2], "big") for i in range(0, 20, 2)
    )
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (
        bytes(12) + b"\x08\0" + head + (total ^ 0xFFFF).to_bytes(2, "big") + b"".join(ends) + body
    )


def test_the_made_packets_are_read() -> None:
    """So that the properties above are of datagrams and streams, and not of what is no IP."""
    assert Dissector().frame(decode.read_frame("lan", 1, 0.0, udp(b"x", 4500))).protocol == "UDP"
    sent = tcp(b"GET /a?key=1 HTTP/1.1\r\nHost: h\r\n\r\n", 7, back=False)
    packet = Dissector().frame(decode.read_frame("lan", 1, 0.0, sent))
    assert (packet.protocol, packet.info) == ("HTTP", "GET /a… HTTP/1.1")


def test_many_packets_are_told_in_time(frames: list[Frame], carried: list[Carried]) -> None:
    dissector, began = Dissector(), time.process_time()
    for number in range(PACE_FRAMES):
        dissector.frame(frames[number % len(frames)])
    for item in carried:
        dissector.carried(item)
    assert time.process_time() - began < MOST_S
