"""The audit of IBM's service server: a record of every attempt, in ``audit.jsonl`` and in the story (I-21).

Records are only appended. A record has no token in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from lab.record.event import Tell
from lab.service.server.events import Audited

FILE = "audit.jsonl"


class AuditOutcome(StrEnum):
    """What came of an attempt."""

    done = "done"
    refused = "refused"
    """By the server: log-in or authorization was wrong."""
    failed = "failed"
    """The attempt was permitted, and came to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One attempt."""

    time: float
    """Seconds since 1970, on the lab's clock."""
    user: str
    """As the user has called itself; ``officer`` at the server's own console."""
    address: str
    """From where; empty at the server's own console."""
    console: str
    """With which console the attempt has to do; empty if with none."""
    verb: str
    """``log-in``, a verb of ``lab-service``, or ``session`` for the beginning and the end of a session."""
    outcome: AuditOutcome
    reason: str
    """Why it was refused or failed (``Denial``), or what else is to be said of it."""
    authorization: int = 0
    """The number of the authorization that was given, or by which the attempt was permitted; 0: none."""


class Audit:
    """Appends records to the run's file; each is told as an event, too."""

    def __init__(self, source: str, run_dir: Path, tell: Tell) -> None:
        self._source = source
        self._path = run_dir / FILE
        self._tell = tell

    def note(self, record: AuditRecord) -> None:
        """Append a record."""
        line = json.dumps({"server": self._source, **asdict(record)}) + "\n"
        descriptor = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
        )
        with os.fdopen(descriptor, "w") as file:
            file.write(line)
        self._tell(Audited(source=self._source, **asdict(record)))

    def records(self) -> Iterator[AuditRecord]:
        """This server's records so far, in their order."""
        if not self._path.exists():
            return
        for line in self._path.read_text().splitlines():
            entry = json.loads(line)
            if entry.pop("server") == self._source:
                yield AuditRecord(**entry | {"outcome": AuditOutcome(entry["outcome"])})


def table(records: Iterator[AuditRecord]) -> str:
    """Records for people, one a line."""
    return "\n".join(
        f"{record.time:.3f}  {record.user or '-':<16} {record.address or '-':<15} "
        f"{record.console or '-':<8} {record.verb:<10} {record.outcome:<8} {record.reason}".rstrip()
        for record in records
    )
