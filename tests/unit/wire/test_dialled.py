"""PPP frames on an asynchronous line: by RFC 1662's own numbers, in any portions, with every fault."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.ppp import PPP_LCP_Configure, PPP_PAP_Request
from scapy.utils import RawPcapNgReader, rdpcap

from lab.linux import process
from lab.wire.dialled import (
    LINKTYPE_PPP_WITH_DIR,
    LINKTYPE_USER0,
    MAX_FRAME_BYTES,
    CallCapture,
    Deframer,
    FrameFault,
    PcapngWriter,
    Piece,
    enframe,
    fcs,
)

LCP = bytes.fromhex("ff03 c021 01 01 0014 0206 00000000 0506 12345678 0702 0802")
PAP = bytes.fromhex("ff03 c023 01 02 0014") + b"\x06remote" + b"\x08sec}~\x11et"
ACK = bytes.fromhex("ff03 c023 02 02 0005 00")
IPCP = bytes.fromhex("ff03 8021 01 03 000a 0306 00000000")
ICMP = bytes.fromhex("21 4500001c 00010000 4001 66de 0a000001 0a000002 0800 f7ff 00000000")
"""Address, control and the protocol's first byte left out, as after negotiation."""
FRAMES = (LCP, PAP, ACK, IPCP, ICMP)


def crc_bit_by_bit(data: bytes) -> int:
    """RFC 1662 C.2, slowly, to compare."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc ^ 0xFFFF


def pieces(data: bytes, size: int = 1 << 20) -> list[Piece]:
    deframer = Deframer()
    found = []
    for at in range(0, len(data), size):
        found += deframer.feed(data[at : at + size])
    return found + deframer.end()


def test_the_checksum_has_the_check_value_of_crc_16_x_25() -> None:
    assert fcs(b"123456789") == (0x906E).to_bytes(2, "little")


@given(st.binary(max_size=300))
def test_the_checksum_is_the_rfcs(data: bytes) -> None:
    assert fcs(data) == crc_bit_by_bit(data).to_bytes(2, "little")


@given(
    st.lists(st.binary(min_size=2, max_size=100), max_size=5),
    st.integers(0, 0xFFFFFFFF),
    st.integers(1, 30),
)
def test_frames_come_back_whatever_is_escaped_and_however_they_arrive(
    frames: list[bytes], accm: int, size: int
) -> None:
    # Whether unescaped control characters belong to it, only the checksum tells.
    data = b"".join(enframe(frame, accm) for frame in frames)
    assert pieces(data, size) == [Piece(frame) for frame in frames]


def test_one_flag_between_frames_is_enough() -> None:
    data = b"\x7e" + b"".join(enframe(frame)[1:] for frame in FRAMES)
    assert pieces(data, 3) == [Piece(frame) for frame in FRAMES]


def test_escapes_are_the_rfcs() -> None:
    assert enframe(b"\x7e\x7d\x11", 0)[1:6] == b"\x7d\x5e\x7d\x5d\x11"
    assert enframe(b"\x7e\x7d\x11")[1:7] == b"\x7d\x5e\x7d\x5d\x7d\x31"


def test_a_sender_may_escape_whatever_it_likes() -> None:
    # But for the two whose escapes would be a flag and another escape.
    frame = bytes(range(256)).replace(b"\x5d\x5e", b"")
    between = b"".join(bytes((0x7D, byte ^ 0x20)) for byte in frame + fcs(frame))
    assert pieces(b"\x7e" + between + b"\x7e") == [Piece(frame)]


def test_control_characters_that_came_in_on_the_way_do_no_harm() -> None:
    line = enframe(LCP)
    disturbed = line[:5] + b"\x11\x13" + line[5:]
    assert pieces(disturbed) == [Piece(LCP)]


def test_text_before_the_first_frame_is_kept_as_it_came() -> None:
    assert pieces(b"login: " + enframe(LCP)) == [Piece(b"login: ", FrameFault.outside), Piece(LCP)]
    assert pieces(b"ab", 1) == [Piece(b"a", FrameFault.outside), Piece(b"b", FrameFault.outside)]


@pytest.mark.parametrize(
    ("between", "fault"),
    [
        (b"\xff\x03\xc0", FrameFault.short),
        (b"\xff\x03\xc0\x21\x01\x7d", FrameFault.aborted),
        (enframe(LCP)[1:-1].replace(b"\x12", b"\x13") + b"\x55", FrameFault.checksum),
        (b"\x7d\x20\x7d\x20", FrameFault.checksum),
    ],
)
def test_what_is_no_frame_is_kept_as_it_was_and_the_next_is_read(
    between: bytes, fault: FrameFault
) -> None:
    data = b"\x7e" + between + enframe(PAP)
    for size in (1, 5, 1000):
        assert pieces(data, size) == [Piece(between, fault), Piece(PAP)]


def test_a_frame_that_the_calls_end_cuts_off_is_kept() -> None:
    cut = enframe(LCP)[1:-4]
    assert pieces(b"\x7e" + cut) == [Piece(cut, FrameFault.unfinished)]


def test_a_line_without_flags_fills_no_memory() -> None:
    deframer = Deframer()
    deframer.feed(b"\x7e")
    found = [piece for _ in range(300) for piece in deframer.feed(bytes(1000))]
    found += deframer.end()
    assert [piece.fault for piece in found[:-1]] == [FrameFault.long] * (len(found) - 1)
    assert len(found) > 4
    assert max(len(piece.data) for piece in found) < MAX_FRAME_BYTES + 1001
    assert b"".join(piece.data for piece in found) == bytes(300_000)


@given(st.binary(max_size=400), st.integers(1, 20))
def test_nothing_that_is_no_frame_gets_lost(data: bytes, size: int) -> None:
    # Random bytes hardly ever have the right checksum, so all of them must come back, save flags.
    kept = b"".join(piece.data for piece in pieces(data, size))
    assert kept == data.replace(b"\x7e", b"")


def call_in(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        capture = PcapngWriter(file)
        first = CallCapture(capture, "call 1 hmc-lig-1", "hmc calls 18005550100", 33600)
        first.feed(b"CLIENT\r", 1_000_000_000, sent=True)
        for at, frame in enumerate(FRAMES):
            first.feed(enframe(frame), 1_500_000_000 + at, sent=frame is not ACK)
        wrong = bytearray(enframe(IPCP))
        wrong[9] ^= 1
        first.feed(bytes(wrong), 2_000_000_000, sent=False)
        second = CallCapture(capture, "call 2 hmc-lig-2", "hmc calls 18005550100", 9600)
        second.feed(enframe(LCP), 3_000_000_000, sent=False)
        second.feed(b"\xff\x03", 3_000_000_001, sent=True)
        first.end(4_000_000_000)
        second.end(4_000_000_000)


def test_the_capture_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "pstn.pcapng"
    call_in(path)
    with RawPcapNgReader(str(path)) as reader:
        found = [
            (meta.linktype, meta.ifname, (meta.tshigh << 32) | meta.tslow, data)
            for data, meta in cast(Iterable[tuple[bytes, Any]], reader)
        ]
    name, others = b"call 1 hmc-lig-1", b"call 1 hmc-lig-1 no frames"
    assert found[0] == (LINKTYPE_USER0, others, 1_000_000_000, b"CLIENT\r")
    for at, frame in enumerate(FRAMES):
        direction = b"\x00" if frame is ACK else b"\x01"
        time_ns = 1_500_000_000 + at
        assert found[1 + at] == (LINKTYPE_PPP_WITH_DIR, name, time_ns, direction + frame)
    assert found[6][:3] == (LINKTYPE_USER0, others, 2_000_000_000)
    assert [entry[:2] for entry in found[7:]] == [
        (LINKTYPE_PPP_WITH_DIR, b"call 2 hmc-lig-2"),
        (LINKTYPE_USER0, b"call 2 hmc-lig-2 no frames"),
    ]
    # epb_flags: received, with a wrong checksum; sent.
    assert path.read_bytes().count(struct.pack("=HHI", 2, 4, 1 << 24 | 1)) == 1
    assert path.read_bytes().count(struct.pack("=HHI", 2, 4, 2)) == 2
    assert path.read_bytes().count(others) == 1


def test_scapy_dissects_it(tmp_path: Path) -> None:
    path = tmp_path / "pstn.pcapng"
    call_in(path)
    packets = rdpcap(str(path))
    assert PPP_LCP_Configure in packets[1]
    assert packets[2][PPP_PAP_Request].password == b"sec}~\x11et"


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_tshark_dissects_it(tmp_path: Path) -> None:
    path = tmp_path / "pstn.pcapng"
    call_in(path)
    fields = ("frame.protocols", "frame.p2p_dir", "frame.interface_name", "frame.comment")
    wanted = [part for field in fields for part in ("-e", field)]
    text = process.run(
        # It cannot do without a home, and the lab's own is root's.
        (
            "env",
            f"HOME={tmp_path}",
            "tshark",
            "-r",
            path,
            "-T",
            "json",
            "-e",
            "pap.password",
            *wanted,
        ),
        deadline_s=60,
    )
    found = [entry["_source"]["layers"] for entry in json.loads(text)]
    protocols = [entry["frame.protocols"][0].split(":")[-1] for entry in found]
    assert protocols[1:6] == ["lcp", "pap", "pap", "ipcp", "icmp"]
    assert protocols[7] == "lcp"
    assert [entry["frame.p2p_dir"][0] for entry in found[1:6]] == ["0", "0", "1", "0", "0"]
    assert found[2]["pap.password"] == ["sec}~\x11et"]
    assert found[1]["frame.interface_name"] == ["call 1 hmc-lig-1"]
    assert found[6]["frame.comment"] == ["wrong checksum"]
    assert not any("malformed" in protocol for protocol in protocols)

    head = process.run(("capinfos", "-M", path), deadline_s=30)
    assert "Comment = hmc calls 18005550100" in head
    assert "Speed = 33600" in head


def test_what_is_written_before_a_kill_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "pstn.pcapng"
    call_in(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with RawPcapNgReader(str(path)) as reader:
        assert len(list(reader)) == 8


class Dribbling(BytesIO):
    """A file that takes as little as it may."""

    def write(self, data: Any) -> int:
        return super().write(bytes(data[:7]))


def test_a_file_that_takes_little_at_once_gets_everything() -> None:
    slow, fast = Dribbling(), BytesIO()
    for file in (slow, fast):
        CallCapture(PcapngWriter(file), "call", "", 1).feed(enframe(PAP), 1, sent=True)
    assert slow.getvalue() == fast.getvalue()
