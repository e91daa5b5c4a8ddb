"""The agent's ledger: what was collected, queued, tried and acknowledged, a line of JSON each (OUT-15).

Each line is on the disk before the next step; without room on the disk lines wait in memory, and the agent
goes on. A line that was torn by the end of the program is passed over by readers, and no later line suffers.
"""

from __future__ import annotations

import errno
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


class Book:
    """The ledger of an agent, which several processes and threads may write."""

    def __init__(
        self,
        state: Path,
        tell: Callable[[str], None] = lambda line: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``tell`` hears once that the file takes no more, and once that it does again."""
        self.path = state / FILE
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
        if self._file < 0:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self.path, flags, storage.PRIVATE)
        size = os.fstat(self._file).st_size
        # A line that was torn, by the end of a program or a full disk, gets an end of its own.
        torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        text = (b"\n" if torn else b"") + b"".join(self._waiting)
        if os.write(self._file, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._waiting.clear()
        os.fsync(self._file)

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
            try:
                members = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(members, dict):
                yield members
