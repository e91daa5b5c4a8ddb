"""The agent's ledger: what was collected, queued, tried and acknowledged, a line of JSON each (OUT-15).

Each line is on the disk before the next step; without room on the disk lines wait in memory, and the agent
goes on. A line that was torn by the end of the program is passed over by readers, and no later line suffers.

A ledger that has grown too large is written anew beside its place, with the newer half of its lines and what
people still want to know of the older ones, and renamed. Whoever writes locks the file (flock(2)), and looks
whether it is still the ledger.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab.agent import storage

FILE = "ledger.jsonl"
MANY = 10_000
"""Lines that wait in memory at the most: the oldest go first."""
LEDGER_BYTES = 8 << 20
"""How large the file becomes: some years of an agent without outages."""
TRIES = ("acknowledged", "answered", "failed")
"""Events that say how a way did."""


class Book:
    """The ledger of an agent, which several processes and threads may write."""

    def __init__(
        self,
        state: Path,
        tell: Callable[[str], None] = lambda line: None,
        now: Callable[[], float] = time.time,
        limit_bytes: int = LEDGER_BYTES,
    ) -> None:
        """``tell`` hears once that the file takes no more, and once that it does again."""
        self.path = state / FILE
        self.limit_bytes = limit_bytes
        self._tell = tell
        self._now = now
        self._waiting: list[bytes] = []
        self._file = -1
        self._lock = threading.Lock()

    def note(self, event: str, **fields: object) -> None:
        """Add a line: what happened, when, and ``fields``; those that are empty are left out."""
        told = {key: value for key, value in fields.items() if value not in ("", None)}
        line = json.dumps({"time": round(self._now(), 6), "event": event, **told}) + "\n"
        told_now = ""
        with self._lock:
            waited = bool(self._waiting)
            self._waiting.append(line.encode())
            try:
                self._write()
            except OSError as error:
                del self._waiting[:-MANY]
                if not waited:
                    told_now = storage.cannot_write(self.path, error).message + "; its lines wait"
            else:
                if waited:
                    told_now = f"{self.path} can be written again, and has every line"
        if told_now:
            self._tell(told_now)

    def _write(self) -> None:
        with self._locked() as file:
            size = os.fstat(file).st_size
            # A line that was torn, by the end of a program or a full disk, gets an end of its own.
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            text = (b"\n" if torn else b"") + b"".join(self._waiting)
            if os.write(file, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._waiting.clear()
            os.fsync(file)
            if size + len(text) > self.limit_bytes:
                # Without room for another file it stays as it is, until a later line.
                with contextlib.suppress(storage.StorageError, OSError):
                    self._shorten()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, while no other process or thread writes to it or puts another one in its place."""
        while True:
            if self._file < 0:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._file = os.open(self.path, flags, storage.PRIVATE)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._file), self.path.stat()):
                    break
            self.close()  # Somebody has shortened it, or taken it away.
        try:
            yield self._file
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _shorten(self) -> None:
        """Keep the newer half, and the last line of each sort that ``status`` and the pages tell of."""
        storage.sweep(self.path.parent, FILE)
        whole = [line for line in self.path.read_bytes().splitlines(keepends=True) if _read(line)]
        last = {sort: number for number, line in enumerate(whole) for sort in _sorts(_read(line))}
        wanted = {*last.values()}
        room = self.limit_bytes // 2
        for number in reversed(range(len(whole))):
            room -= len(whole[number])
            if room < 0:
                break
            wanted.add(number)
        storage.write_whole(self.path, b"".join(whole[number] for number in sorted(wanted)))

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Every line that is whole, in order."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            if members := _read(line):
                yield members


def _read(line: bytes) -> dict[str, Any]:
    """Empty for a line that is torn."""
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


def _sorts(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a line may be the last one of: acknowledgements of a kind of report, and tries of a way."""
    if entry.get("event") == "acknowledged":
        yield "kind", str(entry.get("kind"))
    if entry.get("event") in TRIES and "way" in entry:
        yield "way", str(entry["way"])
