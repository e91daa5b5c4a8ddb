"""The host's end of the captures' line: what is written, what is refused, and what breaks off."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.wire.spool import Spooler, open_sink


def record(number: int, data: bytes) -> bytes:
    return struct.pack("=QI", number, len(data)) + data


@contextmanager
def spooling(folder: Path, failures: list[str]) -> Iterator[tuple[socket.socket, Spooler]]:
    """A spooler that writes below ``folder``, and the guest's end; on leaving, the guest has gone."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        spooler = Spooler(ours, (folder,), lambda: failures.append("told"))
        yield theirs, spooler
        theirs.close()
        spooler.finish()


def test_files_that_come_interleaved_are_written_apart(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    failures: list[str] = []
    with spooling(tmp_path, failures) as (line, _):
        for part in (
            record(1, os.fsencode(first)), record(2, os.fsencode(second)),
            record(1, b"abc"), record(2, b"x" * 300_000), record(1, b"def"), record(1, b""),
            # A number may be used again once its file has ended.
            record(1, os.fsencode(tmp_path / "third")), record(1, b"ghi"),
        ):  # fmt: skip
            line.sendall(part)

    assert first.read_bytes() == b"abcdef"
    assert second.read_bytes() == b"x" * 300_000
    assert (tmp_path / "third").read_bytes() == b"ghi"
    assert failures == []


@pytest.mark.parametrize("cut", [1, 11, 12, 14])
def test_of_a_guest_that_is_killed_all_whole_records_are_there(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with spooling(tmp_path, []) as (line, _):
        line.sendall(record(1, os.fsencode(path)) + record(1, b"whole"))
        line.sendall(record(1, b"cut off")[:cut])
    assert path.read_bytes() == b"whole"


def test_nothing_is_written_beside_the_shared_folders(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    failures: list[str] = []
    with spooling(inner, failures) as (line, _):
        for number, name in enumerate(("../outside", "/proc/self/comm")):
            line.sendall(record(number, os.fsencode(inner / name)) + record(number, b"bad"))
        line.sendall(record(9, os.fsencode(inner / "good")) + record(9, b"good"))
    assert not (tmp_path / "outside").exists()
    assert (inner / "good").read_bytes() == b"good"
    assert failures == []


def test_a_full_disk_is_told_and_the_guest_need_not_wait() -> None:
    failures: list[str] = []
    with spooling(Path("/dev"), failures) as (line, spooler):
        line.sendall(record(1, b"/dev/full") + record(1, b"data"))
        # More than a socket holds: it would block if nobody read on.
        line.sendall(bytes(4_000_000))
    assert failures == ["told"]
    assert spooler.failure == "/dev/full cannot be written: No space left on device"


def test_what_a_user_writes_to_the_line_is_read_and_dropped(tmp_path: Path) -> None:
    failures: list[str] = []
    with spooling(tmp_path, failures) as (line, spooler):
        line.sendall(b"\xff" * 4_000_000)
    assert list(tmp_path.iterdir()) == []
    assert failures == []
    assert spooler.failure == ""


def test_on_an_ordinary_file_system_a_sink_is_a_file(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "spool")
    sink.write(b"abc")
    sink.close()
    assert (tmp_path / "spool").read_bytes() == b"abc"
