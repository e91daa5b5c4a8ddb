"""From spool to pcapng: read back by scapy and by capinfos, whole and cut off."""

from __future__ import annotations

import fcntl
import shutil
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from scapy.utils import RawPcapNgReader

from lab.errors import LabError
from lab.linux import process
from lab.wait import wait_until
from lab.wire import decode, pcapng

START_NS = 1_700_000_000_123_456_789
FRAMES = tuple(
    (START_NS + number * 1_000_000_007, bytes([number % 256]) * (60 + number))
    for number in range(50)
)
PORTS = {1000: "lan", 1001: "fw-inet", 1002: "fw-inet"}


def ring_block(
    frames: tuple[tuple[int, bytes], ...], devices: tuple[int, ...] = (1001,), vlan: int = 0
) -> bytes:
    """A block as the kernel lays it out: 48 bytes of header, each frame 82 bytes into its part.

    ``devices`` by turns are what the frames came in by; ``vlan`` is the tag that the kernel took out.
    """
    body = b""
    for number, (time_ns, data) in enumerate(frames):
        size = (82 + len(data) + 15) & ~15
        following = 0 if number == len(frames) - 1 else size
        seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
        head = struct.pack(
            "=IIIIIIHHIIH", following, seconds, nanoseconds, len(data), len(data),
            0x51 if vlan else 1, 82, 96, 0, vlan, 0x8100 if vlan else 0,
        )  # fmt: skip
        address = struct.pack("=HHi", 17, 0x0300, devices[number % len(devices)])
        head = head.ljust(48, b"\0") + address
        body += (head.ljust(82, b"\0") + data).ljust(size, b"\0")
    head = struct.pack("=IIIIII", 2, 48, 1, len(frames), 48, 48 + len(body))
    return head.ljust(48, b"\0") + body


def spool_of(directory: Path, *parts: bytes) -> Path:
    spool = directory / pcapng.SPOOL
    spool.write_bytes(pcapng.spool_header(PORTS) + b"".join(parts))
    return spool


def frames_of(path: Path) -> list[tuple[int, bytes]]:
    with RawPcapNgReader(str(path)) as reader:
        found = []
        for data, metadata in cast(Iterable[tuple[bytes, Any]], reader):
            ticks = (metadata.tshigh << 32) | metadata.tslow
            assert metadata.tsresol == 1_000_000_000
            assert metadata.ifname == path.stem.encode()
            found.append((ticks, data))
        return found


def converted(spool: Path) -> list[tuple[int, bytes]]:
    """What the segment fw-inet has of a spool."""
    pcapng.convert(spool)
    return frames_of(spool.with_name("fw-inet.pcapng"))


def test_frames_come_back_with_their_bytes_and_nanoseconds(tmp_path: Path) -> None:
    spool = spool_of(
        tmp_path, ring_block(FRAMES[:30]), ring_block(FRAMES[30:]), pcapng.spool_trailer(0)
    )
    assert pcapng.convert(spool) == {"lan": 0, "fw-inet": 50}
    assert frames_of(tmp_path / "fw-inet.pcapng") == list(FRAMES)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["fw-inet.pcapng", "lan.pcapng"]


def test_each_frame_goes_to_the_segment_of_the_port_that_it_came_in_by(tmp_path: Path) -> None:
    # What a bridge passes up to itself (100) has come in by a port before.
    spool = spool_of(tmp_path, ring_block(FRAMES, (1000, 1001, 100, 1002)))
    assert pcapng.convert(spool) == {"lan": 13, "fw-inet": 25}
    assert frames_of(tmp_path / "lan.pcapng") == list(FRAMES[0::4])
    both = sorted((*FRAMES[1::4], *FRAMES[3::4]))
    assert frames_of(tmp_path / "fw-inet.pcapng") == both


@pytest.mark.parametrize("missing", [1, 50, 5000])
def test_of_a_cut_off_spool_every_whole_frame_comes_back(tmp_path: Path, missing: int) -> None:
    spool = spool_of(tmp_path, ring_block(FRAMES))
    whole = spool.read_bytes()
    spool.write_bytes(whole[:-missing])
    found = converted(spool)
    assert found == list(FRAMES[: len(found)])
    # The last frame ends with a byte of padding, so one byte less takes nothing away.
    assert len(found) == {1: 50, 50: 49, 5000: 23}[missing]


def test_a_frame_has_the_tag_that_was_on_the_wire(tmp_path: Path) -> None:
    """Behind the addresses; frames without one stay as they are."""
    spool = spool_of(tmp_path, ring_block(FRAMES[:3], vlan=0x6064), ring_block(FRAMES[3:5]))
    found = converted(spool)
    tag = b"\x81\x00\x60\x64"
    assert found[:3] == [(at, data[:12] + tag + data[12:]) for at, data in FRAMES[:3]]
    assert found[3:] == list(FRAMES[3:5])
    (frame, *_) = decode.read(tmp_path / "fw-inet.pcapng")
    assert frame.data == FRAMES[0][1]


def test_nothing_captured_is_a_valid_file(tmp_path: Path) -> None:
    assert converted(spool_of(tmp_path, pcapng.spool_trailer(0))) == []


def test_a_file_of_somebody_else_is_refused_and_kept(tmp_path: Path) -> None:
    spool = tmp_path / pcapng.SPOOL
    spool.write_bytes(b"not ours")
    with pytest.raises(LabError, match="not a capture"):
        pcapng.convert(spool)
    assert spool.exists()


def test_a_disk_that_is_full_leaves_the_spool_and_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = spool_of(tmp_path, ring_block(FRAMES), pcapng.spool_trailer(0))
    monkeypatch.setattr(
        pcapng, "_statistics", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
    )
    with pytest.raises(OSError, match="full"):
        pcapng.convert(spool)
    assert [file.name for file in tmp_path.iterdir()] == [pcapng.SPOOL]
    monkeypatch.undo()
    assert pcapng.convert(spool) == {"lan": 0, "fw-inet": 50}


@pytest.mark.skipif(not shutil.which("capinfos"), reason="capinfos (tshark) is not installed")
def test_of_two_that_convert_a_spool_the_later_one_waits_and_finds_it_done(tmp_path: Path) -> None:
    """Who takes a standing lab down may be there before the lab's supervisor is done."""
    spool = spool_of(tmp_path, ring_block(FRAMES), pcapng.spool_trailer(0))
    inode = spool.stat().st_ino

    def waits() -> bool:
        lines = Path("/proc/locks").read_text().splitlines()
        return any("->" in line and f":{inode} " in line for line in lines)

    with ThreadPoolExecutor() as other, spool.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        later = other.submit(pcapng.convert_once, spool)
        wait_until("the later one waits, or is done", lambda: waits() or later.done(), 60.0)
        assert not later.done()
        pcapng.convert(spool)
        done = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
        fcntl.flock(held, fcntl.LOCK_UN)
        later.result()

    assert {path.name: path.stat().st_ino for path in tmp_path.iterdir()} == done
    pcapng.convert_once(spool)


def test_wireshark_reads_it_and_sees_what_was_lost(tmp_path: Path) -> None:
    pcapng.convert(spool_of(tmp_path, ring_block(FRAMES), pcapng.spool_trailer(3)))
    path = tmp_path / "fw-inet.pcapng"
    text = process.run(("capinfos", "-M", path), deadline_s=30)
    assert "callhome-lab" in text
    assert "Name = fw-inet" in text
    assert "Number of packets:   50" in text
    assert "nanoseconds (9)" in text
    # isb_ifrecv and isb_ifdrop.
    assert struct.pack("=HHQHHQ", 4, 8, 53, 5, 8, 3) in path.read_bytes()
