"""From spool to pcapng: read back by scapy and by capinfos, whole and cut off."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from scapy.utils import RawPcapNgReader

from lab import process
from lab.errors import LabError
from lab.wire import pcapng

START_NS = 1_700_000_000_123_456_789
FRAMES = tuple(
    (START_NS + number * 1_000_000_007, bytes([number % 256]) * (60 + number))
    for number in range(50)
)


def ring_block(frames: tuple[tuple[int, bytes], ...]) -> bytes:
    """A block as the kernel lays it out: 48 bytes of header, each frame 82 bytes into its part."""
    body = b""
    for number, (time_ns, data) in enumerate(frames):
        size = (82 + len(data) + 15) & ~15
        following = 0 if number == len(frames) - 1 else size
        seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
        head = struct.pack(
            "=IIIIIIHH", following, seconds, nanoseconds, len(data), len(data), 1, 82, 96
        )
        body += (head.ljust(82, b"\0") + data).ljust(size, b"\0")
    head = struct.pack("=IIIIII", 2, 48, 1, len(frames), 48, 48 + len(body))
    return head.ljust(48, b"\0") + body


def spool_of(directory: Path, *parts: bytes) -> Path:
    spool = directory / "fw-inet.spool"
    spool.write_bytes(pcapng.spool_header("fw-inet") + b"".join(parts))
    return spool


def frames_of(path: Path) -> list[tuple[int, bytes]]:
    with RawPcapNgReader(str(path)) as reader:
        found = []
        for data, metadata in cast(Iterable[tuple[bytes, Any]], reader):
            ticks = (metadata.tshigh << 32) | metadata.tslow
            assert metadata.tsresol == 1_000_000_000
            assert metadata.ifname == b"fw-inet"
            found.append((ticks, data))
        return found


def test_frames_come_back_with_their_bytes_and_nanoseconds(tmp_path: Path) -> None:
    spool = spool_of(
        tmp_path,
        ring_block(FRAMES[:30]),
        ring_block(FRAMES[30:]),
        pcapng.spool_trailer(len(FRAMES), 0),
    )
    path = pcapng.convert(spool)
    assert path == tmp_path / "fw-inet.pcapng"
    assert frames_of(path) == list(FRAMES)
    assert [file.name for file in tmp_path.iterdir()] == ["fw-inet.pcapng"]


@pytest.mark.parametrize("missing", [1, 50, 5000])
def test_of_a_cut_off_spool_every_whole_frame_comes_back(tmp_path: Path, missing: int) -> None:
    spool = spool_of(tmp_path, ring_block(FRAMES))
    whole = spool.read_bytes()
    spool.write_bytes(whole[:-missing])
    found = frames_of(pcapng.convert(spool))
    assert found == list(FRAMES[: len(found)])
    # The last frame ends with a byte of padding, so one byte less takes nothing away.
    assert len(found) == {1: 50, 50: 49, 5000: 23}[missing]


def test_nothing_captured_is_a_valid_file(tmp_path: Path) -> None:
    assert frames_of(pcapng.convert(spool_of(tmp_path, pcapng.spool_trailer(0, 0)))) == []


def test_what_a_dead_guest_left_is_converted_at_once(tmp_path: Path) -> None:
    spool_of(tmp_path, ring_block(FRAMES))
    (path,) = pcapng.convert_all(tmp_path)
    assert frames_of(path) == list(FRAMES)
    assert pcapng.convert_all(tmp_path) == ()


def test_a_file_of_somebody_else_is_refused_and_kept(tmp_path: Path) -> None:
    spool = tmp_path / "lan.spool"
    spool.write_bytes(b"not ours")
    with pytest.raises(LabError, match="not a capture"):
        pcapng.convert(spool)
    assert spool.exists()


@pytest.mark.skipif(not shutil.which("capinfos"), reason="capinfos (tshark) is not installed")
def test_wireshark_reads_it_and_sees_what_was_dropped(tmp_path: Path) -> None:
    path = pcapng.convert(
        spool_of(tmp_path, ring_block(FRAMES), pcapng.spool_trailer(len(FRAMES) + 3, 3))
    )
    text = process.run(("capinfos", "-M", path), deadline_s=30)
    assert "callhome-lab" in text
    assert "Name = fw-inet" in text
    assert "Number of packets:   50" in text
    assert "nanoseconds (9)" in text
    assert struct.pack("=HHQ", 5, 8, 3) in path.read_bytes()
