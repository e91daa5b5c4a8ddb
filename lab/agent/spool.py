"""The queue: what is to be sent, one file each, which is there whole or not at all.

A file is a line with the SHA-256 of the rest, a line of JSON (the header), and the content, byte for byte as
it will be sent: so a report that is sent twice is the same report, and IBM's side counts it once. A file that
is damaged is moved to ``damaged``, one that IBM's side will never take to ``refused``; neither is removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lab.agent import storage

QUEUE = "queue"
DAMAGED, REFUSED = "damaged", "refused"
LARGE_BYTES = 1 << 20
"""A content above this is not held in memory while it waits."""
_LOCK = ".lock"
_MAGIC = b"callhome-agent-queue-1 "
_NAME = re.compile(r"([0-9]{8})-([A-Za-z0-9._-]{1,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """One report that waits."""

    report: str
    """The sender's identifier of it (``[A-Za-z0-9._-]{1,64}``): the same in each try."""
    kind: str
    """enrolment, heartbeat, inventory, performance, problem or data."""
    machine: str
    """Whose it is: the name of a ``Monitored``."""
    reason: str = ""
    """Why it is sent: one of the generation's reasons for connecting (E-24)."""
    collected: float = 0.0
    """Seconds of the epoch."""
    about: str = ""
    """Of data: the report of the problem that it belongs to."""
    name: str = ""
    """Of data: the file's name."""
    content: bytes = b""
    """Of what is listed: empty if it is large (``Spool.load``)."""
    size: int = 0
    """Bytes of the content, of what is in the queue."""
    place: str = ""
    """The file's name in the queue; it has the order."""


def new_report(kind: str) -> str:
    """An identifier that no other report has."""
    return f"{kind}-{os.urandom(8).hex()}"


class Spool:
    """The queue of an agent, in the folder ``queue``; several processes may use it at a time."""

    def __init__(self, state: Path, tell: Callable[[str], None] = lambda line: None) -> None:
        """``tell`` hears of damaged files."""
        self.folder = state / QUEUE
        self._tell = tell

    def add(self, entry: Queued) -> Queued:
        """Queue a report, behind all others; the one that is there already if it has the same identifier.

        Once this has returned, no end of the program loses it. Raises StorageError.
        """
        storage.make_folder(self.folder)
        with storage.locked(self.folder / _LOCK):
            storage.sweep(self.folder)
            names = self._names()
            for name in names:
                if name.partition("-")[2] == entry.report and (there := self._read(name)):
                    return there
            number = int(names[-1].partition("-")[0]) + 1 if names else 1
            placed = replace(entry, place=f"{number:08d}-{entry.report}", size=len(entry.content))
            storage.write_whole(self.folder / placed.place, render(placed))
        return placed

    def entries(self) -> list[Queued]:
        """What waits, in order, without large contents; a damaged file is moved aside, and told."""
        read = (self._read(name) for name in self._names())
        return [
            replace(entry, content=b"") if entry.size > LARGE_BYTES else entry
            for entry in read
            if entry
        ]

    def load(self, entry: Queued) -> Queued | None:
        """A report with its content; None if it has gone, or is damaged meanwhile."""
        return entry if len(entry.content) == entry.size else self._read(entry.place)

    def remove(self, entry: Queued) -> None:
        """It has arrived."""
        storage.remove(self.folder / entry.place)

    def refuse(self, entry: Queued) -> Path:
        """IBM's side will never take it: move it to ``refused``, whose path is returned."""
        return self._aside(entry.place, REFUSED)

    def aside(self, folder: str) -> list[str]:
        """The files that were moved to ``damaged`` or ``refused``."""
        try:
            return sorted(path.name for path in (self.folder / folder).iterdir())
        except FileNotFoundError:
            return []

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        try:
            return sorted(p.name for p in self.folder.iterdir() if _NAME.fullmatch(p.name))
        except FileNotFoundError:
            return []

    def _read(self, name: str) -> Queued | None:
        try:
            return parse((self.folder / name).read_bytes(), name)
        except FileNotFoundError:
            return None  # Somebody else has sent it meanwhile.
        except ValueError as error:
            moved = self._aside(name, DAMAGED)
            self._tell(
                f"the queue's file {name} is damaged ({error}): it is not sent, and is now {moved}; "
                "look at the disk, and have the report made again"
            )
            return None

    def _aside(self, name: str, folder: str) -> Path:
        storage.make_folder(self.folder / folder)
        target = self.folder / folder / name
        number = 1
        while target.exists():
            number += 1
            target = self.folder / folder / f"{name}.{number}"
        try:
            (self.folder / name).replace(target)
            storage.sync_folder(self.folder / folder)
            storage.sync_folder(self.folder)
        except OSError as error:
            raise storage.cannot_write(target, error) from error
        return target


def render(entry: Queued) -> bytes:
    """The file of a report."""
    header = {
        "report": entry.report,
        "kind": entry.kind,
        "machine": entry.machine,
        "reason": entry.reason,
        "collected": entry.collected,
        "about": entry.about,
        "name": entry.name,
    }
    rest = json.dumps(header).encode() + b"\n" + entry.content
    return _MAGIC + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


def parse(file: bytes, place: str) -> Queued:
    """A report from its file; raises ValueError, which says what is wrong, for any other bytes."""
    head, newline, rest = file.partition(b"\n")
    if not newline or not head.startswith(_MAGIC):
        raise ValueError("its first line is not the queue's")
    if hashlib.sha256(rest).hexdigest().encode() != head.removeprefix(_MAGIC):
        raise ValueError("its SHA-256 is another one")
    written, _, content = rest.partition(b"\n")
    header = json.loads(written)
    entry = Queued(**header, content=content, size=len(content), place=place)
    if place.partition("-")[2] != entry.report:
        raise ValueError(f"its name is not that of report {entry.report}")
    return entry
