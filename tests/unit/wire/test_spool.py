"""The host's end of the captures' line: what is written, what is refused, and what breaks off."""

from __future__ import annotations

import mmap
import os
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.wire import guest_memory, spool
from lab.wire.guest_memory import Extent
from lab.wire.ring import Block
from lab.wire.spool import Spooler, open_sink, start_spooler
from tests.unit.sabotage import steps_that_fail

PAGE = guest_memory.PAGE_BYTES
BEGIN, DATA, BLOCK, END = range(1, 5)


def record(number: int, kind: int, data: bytes = b"") -> bytes:
    return struct.pack("=QBI", number, kind, len(data)) + data


def beginning(number: int, path: Path) -> bytes:
    return record(number, BEGIN, os.fsencode(path))


class Host:
    """A spooler that writes below a folder, and what it said and did."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 8 * PAGE)
        """The guest's; each page is full of its own number."""
        for page in range(8):
            self.memory[page * PAGE : (page + 1) * PAGE] = bytes((page,)) * PAGE
        self.told = 0
        self.hidden = False
        self.opened = 0

    def open_memory(self) -> mmap.mmap:
        if self.hidden:
            raise LabError("the guest's memory cannot be opened", hint="look elsewhere")
        self.opened += 1
        return self.memory

    def tell(self) -> None:
        self.told += 1

    @contextmanager
    def spooling(self, folder: Path) -> Iterator[tuple[socket.socket, Spooler]]:
        """The guest's end of the line, and the spooler; on leaving, the guest has gone."""
        ours, theirs = socket.socketpair()
        with (
            ours,
            start_spooler(ours, (folder,), self.open_memory, self.tell) as spooler,
            theirs,
        ):
            yield theirs, spooler


def test_files_that_come_interleaved_are_written_apart(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    host = Host()
    with host.spooling(tmp_path) as (line, _):
        for part in (
            beginning(1, first), beginning(2, second),
            record(1, DATA, b"abc"), record(2, DATA, b"x" * 60_000), record(1, DATA, b"def"),
            record(1, END),
            # A number may be used again once its file has ended.
            beginning(1, third), record(1, DATA, b"ghi"),
        ):  # fmt: skip
            line.sendall(part)

    assert first.read_bytes() == b"abcdef"
    assert second.read_bytes() == b"x" * 60_000
    assert third.read_bytes() == b"ghi"
    assert (host.told, host.opened) == (0, 0)


def status_of(memory: mmap.mmap, page: int) -> tuple[int, int]:
    """Status and count of frames of a block that begins with this page (struct tpacket_block_desc)."""
    return struct.unpack_from("=II", memory, page * PAGE + 8)


def test_a_block_is_read_from_the_guests_memory_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    host = Host()
    # Otherwise it is gone when the spooler is.
    host.open_memory = lambda: mmap.mmap(descriptor, 8 * PAGE)  # type: ignore[method-assign]
    with (tmp_path / "memory").open("w+b") as file:
        file.write(host.memory[:])
        file.flush()
        descriptor = file.fileno()
        extents = (Extent(5 * PAGE, PAGE), Extent(2 * PAGE, 2 * PAGE), Extent(7 * PAGE, 10))
        with host.spooling(tmp_path) as (line, spooler):
            line.sendall(beginning(1, path) + record(1, DATA, b"head"))
            line.sendall(record(1, BLOCK, guest_memory.encode(extents)) + record(1, DATA, b"tail"))
        with mmap.mmap(descriptor, 0) as memory:
            assert status_of(memory, 5) == (0, 0)
            for page in (2, 3, 7):
                assert status_of(memory, page) == (page * 0x01010101, page * 0x01010101)
    whole = b"\5" * PAGE + b"\2" * PAGE + b"\3" * PAGE + b"\7" * 10
    assert path.read_bytes() == b"head" + whole + b"tail"
    assert spooler.failure is None


@pytest.mark.parametrize(
    "extents", [b"", b"12345", guest_memory.encode([Extent(7 * PAGE, PAGE + 1)])]
)
def test_an_extent_beside_the_memory_is_nothing_of_ours(extents: bytes, tmp_path: Path) -> None:
    path = tmp_path / "spool"
    host = Host()
    with host.spooling(tmp_path) as (line, spooler):
        line.sendall(beginning(1, path) + record(1, BLOCK, extents))
        line.sendall(record(1, DATA, b"not written any more"))
    assert path.read_bytes() == b""
    assert spooler.failure is None


def test_a_memory_that_is_hidden_is_told(tmp_path: Path) -> None:
    host = Host()
    host.hidden = True
    with host.spooling(tmp_path) as (line, spooler):
        line.sendall(beginning(1, tmp_path / "spool"))
        line.sendall(record(1, BLOCK, guest_memory.encode([Extent(0, PAGE)])))
        line.sendall(bytes(4_000_000))
    assert host.told == 1
    assert spooler.failure is not None
    assert spooler.failure.hint == "look elsewhere"


@pytest.mark.parametrize("cut", [1, 12, 13, 15])
def test_of_a_guest_that_is_killed_all_whole_records_are_there(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with Host().spooling(tmp_path) as (line, _):
        line.sendall(beginning(1, path) + record(1, DATA, b"whole"))
        line.sendall(record(1, DATA, b"cut off")[:cut])
    assert path.read_bytes() == b"whole"


def test_nothing_is_written_beside_the_shared_folders(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    host = Host()
    with host.spooling(inner) as (line, _):
        for number, name in enumerate(("../outside", "/proc/self/comm")):
            line.sendall(beginning(number, inner / name) + record(number, DATA, b"bad"))
        line.sendall(beginning(9, inner / "good") + record(9, DATA, b"good"))
    assert not (tmp_path / "outside").exists()
    assert (inner / "good").read_bytes() == b"good"
    assert host.told == 0


def test_a_full_disk_is_told_and_the_guest_need_not_wait() -> None:
    host = Host()
    with host.spooling(Path("/dev")) as (line, spooler):
        line.sendall(beginning(1, Path("/dev/full")) + record(1, DATA, b"data"))
        # More than a socket holds: it would block if nobody read on.
        line.sendall(bytes(4_000_000))
    assert host.told == 1
    assert spooler.failure is not None
    assert spooler.failure.message == "/dev/full cannot be written: No space left on device"


def test_what_a_user_writes_to_the_line_is_read_and_dropped(tmp_path: Path) -> None:
    host = Host()
    with host.spooling(tmp_path) as (line, spooler):
        line.sendall(b"\xff" * 4_000_000)
    assert list(tmp_path.iterdir()) == []
    assert host.told == 0
    assert spooler.failure is None


def test_on_an_ordinary_file_system_a_sink_is_a_file(tmp_path: Path) -> None:
    memory = Host().memory
    sink = open_sink(tmp_path / "spool", memory)
    sink.write(b"abc")
    sink.take(Block(3 * PAGE, PAGE + 5))
    sink.close()
    assert (tmp_path / "spool").read_bytes() == b"abc" + b"\3" * PAGE + b"\4" * 5
    assert status_of(memory, 3) == (0, 0)


# Where a block lies.

PAGES = (9 * PAGE, 10 * PAGE, 11 * PAGE, 2 * PAGE, 3 * PAGE, 12 * PAGE)


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 10, [Extent(9 * PAGE, 10)]),
        (0, PAGE, [Extent(9 * PAGE, PAGE)]),
        (0, PAGE + 1, [Extent(9 * PAGE, PAGE + 1)]),
        (PAGE, 3 * PAGE, [Extent(10 * PAGE, 2 * PAGE), Extent(2 * PAGE, PAGE)]),
        (4 * PAGE, PAGE + 7, [Extent(3 * PAGE, PAGE), Extent(12 * PAGE, 7)]),
    ],
)
def test_pages_that_follow_each_other_are_one_extent(
    start: int, length: int, expected: list[Extent]
) -> None:
    assert guest_memory.extents(PAGES, start, length) == expected
    assert guest_memory.decode(guest_memory.encode(expected)) == expected


def test_the_memory_is_the_file_without_a_name_of_the_guests_process(tmp_path: Path) -> None:
    with tempfile.TemporaryFile(dir=tmp_path) as memory, (tmp_path / "log").open("wb") as log:
        memory.write(b"what the guest has in mind")
        memory.flush()
        sleeper = subprocess.Popen(
            ["sleep", "60"], stdout=log, stderr=log, pass_fds=[memory.fileno()]
        )
        try:
            with guest_memory.open_of(sleeper.pid) as opened:
                assert opened[:] == b"what the guest has in mind"
        finally:
            sleeper.kill()
            sleeper.wait()


def test_a_file_that_the_guest_closes_meanwhile_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: [folder / "99999", *listed(folder)])
    with tempfile.TemporaryFile(dir=tmp_path) as memory:
        memory.write(bytes(1 << 24))
        memory.flush()
        with guest_memory.open_of(os.getpid()) as opened:
            assert len(opened) == 1 << 24


def test_a_process_without_such_a_file_is_no_guest(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        sleeper = subprocess.Popen(["sleep", "60"], stdout=log, stderr=log)
    try:
        with pytest.raises(LabError, match="not among the files"):
            guest_memory.open_of(sleeper.pid)
    finally:
        sleeper.kill()
        sleeper.wait()
    with pytest.raises(LabError, match="cannot be opened"):
        guest_memory.open_of(sleeper.pid)


@pytest.mark.parametrize("hosts", [True, False])
def test_a_sink_that_cannot_begin_leaves_nothing_open(
    hosts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, near = os.openpty()
    monkeypatch.setattr(spool, "LINE", os.ttyname(near))
    monkeypatch.setattr(spool, "_is_hosts", lambda folder: hosts)
    monkeypatch.setattr(guest_memory, "pages_of", lambda memory: (0,))
    memory = mmap.mmap(-1, PAGE)

    @contextmanager
    def begun() -> Iterator[None]:
        sink = open_sink(tmp_path / "spool", memory)
        yield
        sink.close()

    assert "open" in steps_that_fail(begun)
    os.close(far)
    os.close(near)


def test_a_spooler_that_cannot_begin_leaves_nothing_open(tmp_path: Path) -> None:
    host = Host()
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        steps = steps_that_fail(
            lambda: start_spooler(ours, (tmp_path,), host.open_memory, host.tell)
        )
    assert "Thread.start" in steps
