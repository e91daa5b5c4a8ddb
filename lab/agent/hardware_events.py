"""What the machine's hardware tells: lines of JSON in a FIFO, which no end of the agent loses.

The kernel moves what is in the FIFO into a file in one step (splice(2)), before anybody looks at it; each
line there becomes a report with an identifier that follows from the file and the line's place. So a line that
is dealt with twice is the same report. Whoever writes keeps the FIFO open: one that nobody has open is empty.

    {"reference_code": "B3036620", "severity": 2, "text": "fan 3", "machine": "8284-22A*21ABCDE"}
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab.agent import storage
from lab.errors import UsageError

JOURNAL = re.compile(r"events-([0-9a-f]{8}-[0-9]{6})\.journal")
"""The state folder's file of lines; its number grows each time all its lines have become reports."""
LINE_BYTES = 64 * 1024
"""A longer line is no event."""
_NO_SPLICE = (errno.EINVAL, errno.ENOSYS)


class HardwareEvents:
    """The FIFO, open for the service's life."""

    def __init__(self, fifo: Path, state: Path) -> None:
        self.path = fifo
        self._state = state
        self._fifo = -1

    def open(self) -> None:
        """Make the FIFO if there is none, and open it; UsageError if something else is there."""
        try:
            with contextlib.suppress(FileExistsError):
                os.mkfifo(self.path, storage.PRIVATE)
            # Both ways: the FIFO has no end then, whoever comes and goes (fifo(7)).
            self._fifo = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            is_fifo = stat.S_ISFIFO(os.fstat(self._fifo).st_mode)
        except OSError as error:
            raise UsageError(
                f"the agent cannot open the FIFO of events {self.path}: {error.strerror}",
                hint="set `events` to a path in a folder that is there, or remove what is in the way",
            ) from error
        if not is_fifo:
            raise UsageError(
                f"events: {self.path} is no FIFO", hint="remove it, or name another path"
            )

    def fileno(self) -> int:
        return self._fifo

    def close(self) -> None:
        if self._fifo >= 0:
            os.close(self._fifo)
            self._fifo = -1

    def take(
        self,
        deal: Callable[[str, dict[str, Any]], None],
        wrong: Callable[[str], None],
    ) -> None:
        """Deal with every whole line that has come: ``deal`` gets an identifier and what the line says.

        ``wrong`` hears of a line that makes no sense. An exception of ``deal`` is passed on, and the line
        comes again the next time; so does what comes from a disk without room, as StorageError.
        """
        journal = self._current()
        try:
            self._collect(journal)
            content = journal.read_bytes()
        except OSError as error:
            raise storage.cannot_write(journal, error) from error
        self._deal(journal, content, deal, wrong)

    def _current(self) -> Path:
        """The journal in use: the last one. One before it has been dealt with."""
        storage.make_folder(self._state)
        there = sorted(path for path in self._state.iterdir() if JOURNAL.fullmatch(path.name))
        for former in there[:-1]:
            storage.remove(former)
        return there[-1] if there else self._state / _name(os.urandom(4).hex(), 1)

    def _collect(self, path: Path) -> None:
        """Move what is in the FIFO to the end of the journal."""
        journal = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, storage.PRIVATE)
        try:
            moved = False
            while self._fifo >= 0 and _move(self._fifo, journal):
                moved = True
            if moved:
                os.fsync(journal)
                storage.sync_folder(self._state)
        finally:
            os.close(journal)

    def _deal(
        self,
        journal: Path,
        content: bytes,
        deal: Callable[[str, dict[str, Any]], None],
        wrong: Callable[[str], None],
    ) -> None:
        whole = content[: content.rfind(b"\n") + 1]
        if len(content) - len(whole) > LINE_BYTES:
            whole = content
        if not whole:
            return
        found = JOURNAL.fullmatch(journal.name)
        assert found is not None, "named by us"
        for place, event in self._events(whole, wrong):
            deal(f"event-{found[1]}-{place}", event)
        token, _, number = found[1].partition("-")
        following = self._state / _name(token, int(number) + 1)
        storage.write_whole(following, content[len(whole) :])
        storage.remove(journal)

    @staticmethod
    def _events(whole: bytes, wrong: Callable[[str], None]) -> Iterator[tuple[int, dict[str, Any]]]:
        place = 0
        for line in whole.splitlines(keepends=True):
            at, place = place, place + len(line)
            if not line.strip():
                continue
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                event = None
            if isinstance(event, dict):
                yield at, event
            else:
                shown = line[:60].decode(errors="replace").strip()
                wrong(f"an event is no JSON object, and is left out: {shown!r}")


def _name(token: str, number: int) -> str:
    return f"events-{token}-{number:06d}.journal"


def _move(fifo: int, journal: int) -> int:
    """Move bytes from the FIFO to the journal's end; how many, 0 if none are there."""
    end = os.fstat(journal).st_size
    try:
        return os.splice(fifo, journal, LINE_BYTES, offset_dst=end, flags=os.SPLICE_F_NONBLOCK)
    except BlockingIOError:
        return 0
    except OSError as error:
        if error.errno not in _NO_SPLICE:
            raise
    # A file system that cannot: between these two calls a kill would lose the line.
    try:
        return os.pwrite(journal, os.read(fifo, LINE_BYTES), end)
    except BlockingIOError:
        return 0
