"""The audit of IBM's service server: a record of every attempt, in ``audit.jsonl`` and in the story (I-21).

Records are only appended. A record has no token in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
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


class Audit:
    """Appends a server's records to the run's file; each is told as an event, too."""

    def __init__(self, source: str, run_dir: Path, tell: Tell) -> None:
        self.source = source
        self._path = run_dir / FILE
        self._tell = tell

    def note(self, record: Audited) -> None:
        entry = {**vars(record)}
        line = json.dumps({"server": entry.pop("source"), **entry}) + "\n"
        descriptor = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
        )
        with os.fdopen(descriptor, "w") as file:
            file.write(line)
        self._tell(record)

    def records(self) -> Iterator[Audited]:
        """This server's records so far, in their order."""
        if not self._path.exists():
            return
        for line in self._path.read_text().splitlines():
            entry = json.loads(line)
            if entry.pop("server") == self.source:
                yield Audited(source=self.source, **entry)


def table(records: Iterator[Audited]) -> str:
    """Records for people, one a line."""
    return "\n".join(
        f"{record.time:.3f}  {record.user or '-':<16} {record.address or '-':<15} "
        f"{record.console or '-':<8} {record.verb:<10} {record.outcome:<8} {record.reason}".rstrip()
        for record in records
    )
