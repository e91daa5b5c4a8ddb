"""Where captures are written while they run: files, which in the guest the host writes.

Through hostfs, or by any other copy, a busy lab's captures cost it a twentieth of its speed. The
guest's memory is a file that the host can read, too: so where the folder is the host's, the guest only
says, down a serial line of its own, in which pages of its memory a block of the ring lies
(``guest_memory``). A thread of the host writes it down on another processor and gives it back to the
guest's kernel. Both ends are here, and the records between them: number of the file, kind, length, and
what the kind says.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import struct
import termios
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from lab.errors import LabError, PrerequisiteError
from lab.wait import wait_until
from lab.wire import guest_memory
from lab.wire.ring import Block, give_back

LINE = "/dev/ttyS1"
"""The guest's end of the line."""

_RECORD = struct.Struct("=QBI")
"""Number, kind and length. Numbers are random: two labs in one guest know nothing of each other."""
_MAX_RECORD = 1 << 16
_ARRIVAL_S = 600.0
"""Lab time; the host is only asked, so in virtual time this is some seconds of its work."""


class _Kind(IntEnum):
    begin = 1
    """The path of a file."""
    data = 2
    """Bytes."""
    block = 3
    """Extents of the guest's memory: a block of the ring, to be given back when it is written."""
    end = 4


_KINDS = frozenset(_Kind)


class Sink(Protocol):
    """A file that is only appended to."""

    def write(self, data: bytes) -> None: ...

    def take(self, block: Block) -> None:
        """Write a block of the ring, and give it back to the kernel, if not now then soon."""

    def close(self) -> None:
        """Returns when all that was written is in the file."""


def open_sink(path: Path, memory: mmap.mmap) -> Sink:
    """Begin a file, whose folder exists, by the way that is cheap here; ``memory`` is a ring's."""
    # A lab in a node of another one has no line to the host, as no program there has.
    if not _is_hosts(path.parent) or not Path(LINE).exists():
        return _FileSink(_File.create(path), memory)
    pages = guest_memory.pages_of(memory)
    line = os.open(LINE, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        tty.setraw(line, termios.TCSANOW)
        sink = _LineSink(path, pages, line)
        sink.begin()
    except BaseException:
        os.close(line)
        raise
    return sink


def _is_hosts(folder: Path) -> bool:
    """Whether a folder is shared with the host by hostfs, which only the lab's own kernel has."""
    place = os.path.realpath(folder)
    longest, kind = "", ""
    with Path("/proc/self/mounts").open() as mounts:
        for line in mounts:
            _, where, filesystem, *_ = line.split(" ")
            where = where.replace("\\040", " ")
            # Of two on one place the later one is on top.
            if len(where) >= len(longest) and Path(place).is_relative_to(where):
                longest, kind = where, filesystem
    return kind == "hostfs"


class _File:
    """A file by its path; OSError names it."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd

    @classmethod
    def create(cls, path: Path) -> _File:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        return cls(path, os.open(path, flags, 0o644))

    def write(self, data: bytes | memoryview) -> None:
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            error.filename = os.fspath(self._path)
            raise

    def close(self) -> None:
        os.close(self._fd)


class _FileSink:
    def __init__(self, file: _File, memory: mmap.mmap) -> None:
        self._file = file
        self._memory = memory
        self.write, self.close = file.write, file.close

    def take(self, block: Block) -> None:
        with memoryview(self._memory) as view:
            self._file.write(view[block.start : block.start + block.length])
        give_back(self._memory, block.start)


class _LineSink:
    def __init__(self, path: Path, pages: Sequence[int], line: int) -> None:
        """``pages``: where in the guest's memory each page of the ring lies."""
        self._path = path
        self._sent = 0
        self._pages = pages
        self._number = int.from_bytes(os.urandom(8), "big")
        self._line = line

    def begin(self) -> None:
        self._send(_Kind.begin, os.fsencode(self._path))

    def write(self, data: bytes) -> None:
        self._sent += len(data)
        self._send(_Kind.data, data)

    def take(self, block: Block) -> None:
        self._sent += block.length
        extents = guest_memory.extents(self._pages, block.start, block.length)
        self._send(_Kind.block, guest_memory.encode(extents))

    def close(self) -> None:
        self._send(_Kind.end, b"")
        os.close(self._line)
        wait_until(
            f"the host has written {self._path}",
            lambda: self._size() == self._sent,
            _ARRIVAL_S,
            every_s=0.001,
            seen=lambda: f"{self._size()} of {self._sent} bytes",
        )

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def _send(self, kind: _Kind, data: bytes) -> None:
        # In one call, which the kernel finishes before it begins another: records stay whole.
        record = _RECORD.pack(self._number, kind, len(data)) + data
        written = os.write(self._line, record)
        assert written == len(record), "the line takes all or blocks"


@contextlib.contextmanager
def start_spooler(
    line: socket.socket,
    folders: tuple[Path, ...],
    open_memory: Callable[[], mmap.mmap],
    on_failure: Callable[[], None],
) -> Iterator[Spooler]:
    """The host's end, at work; the end of the context waits for the last byte: the guest must have gone."""
    spooler = Spooler(line, folders, open_memory, on_failure)
    thread = threading.Thread(target=spooler.run, name="spooler", daemon=True)
    thread.start()
    try:
        yield spooler
    finally:
        thread.join()


class Spooler:
    """The host's end: writes what comes, until the guest has gone.

    Only below ``folders`` is anything written: the guest has no other business on the host.
    ``open_memory`` gives the guest's memory, when it is first spoken of. ``on_failure`` is called in
    the thread when a file cannot be written, or that memory not be had; ``failure`` says why.
    """

    def __init__(
        self,
        line: socket.socket,
        folders: tuple[Path, ...],
        open_memory: Callable[[], mmap.mmap],
        on_failure: Callable[[], None],
    ) -> None:
        self.failure: LabError | None = None
        self._line = line
        self._folders = tuple(folder.resolve() for folder in folders)
        self._open_memory = open_memory
        self._memory: mmap.mmap | None = None
        self._on_failure = on_failure
        self._files: dict[int, _File | None] = {}

    def run(self) -> None:
        try:
            self._serve()
        except LabError as error:
            self.failure = error
        except OSError as error:
            self.failure = PrerequisiteError(
                f"{error.filename} cannot be written: {error.strerror}",
                hint="make room there, or choose another place with --out",
            )
        finally:
            for file in filter(None, self._files.values()):
                file.close()
            if self._memory is not None:
                self._memory.close()
        if self.failure is not None:
            self._on_failure()
        while self._line.recv(_MAX_RECORD):
            pass

    def _serve(self) -> None:
        """Until the guest has gone, or what comes is not ours, but a user's who wrote to the device.

        He must not wait for us, so what comes then is still read.
        """
        while record := self._receive(_RECORD.size):
            number, kind, length = _RECORD.unpack(record)
            known = number in self._files
            if length > _MAX_RECORD or kind not in _KINDS or known == (kind == _Kind.begin):
                return
            data = self._receive(length)
            if len(data) < length or not self._take(number, _Kind(kind), data):
                return

    def _take(self, number: int, kind: _Kind, data: bytes) -> bool:
        """Do what a record says; False where it makes no sense."""
        if kind is _Kind.begin:
            path = Path(os.fsdecode(data))
            ours = any(path.resolve().is_relative_to(folder) for folder in self._folders)
            self._files[number] = _File.create(path) if ours else None
            return True

        file = self._files[number]
        if kind is _Kind.block:
            return self._take_block(file, data)
        if kind is _Kind.data and file:
            file.write(data)
        elif kind is _Kind.end:
            del self._files[number]
            if file:
                file.close()
        return True

    def _take_block(self, file: _File | None, data: bytes) -> bool:
        if self._memory is None:
            self._memory = self._open_memory()
        extents = guest_memory.decode(data)
        if not extents or any(e.offset + e.length > len(self._memory) for e in extents):
            return False
        if file:
            with memoryview(self._memory) as view:
                for extent in extents:
                    file.write(view[extent.offset : extent.offset + extent.length])
        give_back(self._memory, extents[0].offset)
        return True

    def _receive(self, length: int) -> bytes:
        """So many bytes; none if the guest has gone before they were whole."""
        data = bytearray()
        while len(data) < length:
            more = self._line.recv(length - len(data))
            if not more:
                return b""
            data += more
        return bytes(data)
