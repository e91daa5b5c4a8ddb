"""Where captures are written while they run: files, which in the guest the host writes.

Through hostfs a busy lab's captures cost it a twentieth of its speed, page by page. So where the
folder is the host's, the guest sends what it has down a serial line of its own, in large pieces, and
a thread of the host writes it down on another processor. Both ends are here, and the records between
them: file number, length, bytes. A file's first record is its path; one without bytes is its end.
"""

from __future__ import annotations

import os
import socket
import struct
import termios
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lab.wait import wait_until

LINE = "/dev/ttyS1"
"""The guest's end of the line."""

_RECORD = struct.Struct("=QI")
"""Number and length. Numbers are random: two labs in one guest know nothing of each other."""
_MAX_RECORD = 1 << 20
_ARRIVAL_S = 600.0
"""Lab time; the host is only asked, so in virtual time this is some seconds of its work."""


class Sink(Protocol):
    """A file that is only appended to."""

    def write(self, data: bytes | memoryview) -> None: ...

    def close(self) -> None:
        """Returns when all that was written is in the file."""


def open_sink(path: Path) -> Sink:
    """Begin a file, whose folder exists, by the way that is cheap here."""
    return _LineSink(path) if _is_hosts(path.parent) else _FileSink(path)


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


class _FileSink:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            error.filename = os.fspath(self._path)
            raise

    def close(self) -> None:
        os.close(self._fd)


class _LineSink:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._sent = 0
        self._number = int.from_bytes(os.urandom(8), "big")
        self._line = os.open(LINE, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(self._line, termios.TCSANOW)
        self._send(os.fsencode(path))

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        self._sent += len(view)
        while view:
            self._send(view[:_MAX_RECORD])
            view = view[_MAX_RECORD:]

    def close(self) -> None:
        self._send(b"")
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

    def _send(self, data: bytes | memoryview) -> None:
        # In one call, which the kernel finishes before it begins another: records stay whole.
        record = _RECORD.pack(self._number, len(data))
        written = os.writev(self._line, [record, data])
        assert written == len(record) + len(data), "the line takes all or blocks"


class Spooler:
    """The host's end: a thread that writes what comes, until the guest has gone.

    Only below ``folders`` is anything written: the guest has no other business on the host.
    ``on_failure`` is called in the thread when a file cannot be written; ``failure`` says why.
    """

    def __init__(
        self, line: socket.socket, folders: tuple[Path, ...], on_failure: Callable[[], None]
    ) -> None:
        self.failure = ""
        self._line = line
        self._folders = tuple(folder.resolve() for folder in folders)
        self._on_failure = on_failure
        self._files: dict[int, _FileSink | None] = {}
        self._thread = threading.Thread(target=self._run, name="spooler", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last byte; the guest must have gone."""
        self._thread.join()

    def _run(self) -> None:
        try:
            while record := self._receive(_RECORD.size):
                number, length = _RECORD.unpack(record)
                if length > _MAX_RECORD:
                    # Not ours, but a user's who wrote to the device. He must not wait for us.
                    break
                self._take(number, self._receive(length))
        except OSError as error:
            self.failure = f"{error.filename} cannot be written: {error.strerror}"
            self._on_failure()
        finally:
            for file in filter(None, self._files.values()):
                file.close()
        while self._line.recv(_MAX_RECORD):
            pass

    def _take(self, number: int, data: bytes | bytearray) -> None:
        if number not in self._files:
            path = Path(os.fsdecode(bytes(data)))
            ours = any(path.resolve().is_relative_to(folder) for folder in self._folders)
            self._files[number] = _FileSink(path) if ours else None
            return

        if file := self._files[number]:
            if data:
                file.write(memoryview(data))
            else:
                file.close()
        if not data:
            del self._files[number]

    def _receive(self, length: int) -> bytearray:
        """So many bytes; none if the guest has gone before they were whole."""
        data = bytearray(length)
        view = memoryview(data)
        got = 0
        while got < length:
            count = self._line.recv_into(view[got:])
            if not count:
                return bytearray()
            got += count
        return data
