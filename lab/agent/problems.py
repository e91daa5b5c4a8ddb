"""The problems that were reported, each with the number that IBM's side gave it (E-20): ``problems.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.agent import storage

FILE = "problems.json"
QUEUED, OPEN, CLOSED = "queued", "open", "closed"


class Problems:
    """By report: machine, reference_code, severity, text, occurred, state, and pmh once it is known."""

    def __init__(self, state: Path) -> None:
        self.path = state / FILE

    def all(self) -> dict[str, dict[str, Any]]:
        members = storage.read_json(self.path)
        return members if isinstance(members, dict) else {}

    def note(self, report: str, **members: object) -> None:
        """Add to what is known of a problem, whoever else adds something; raises StorageError."""
        storage.make_folder(self.path.parent)
        with storage.locked(self.path.with_suffix(".lock")):
            known = self.all()
            before = known.get(report, {})
            after = {**before, **members}
            if after != before:
                storage.write_json(self.path, {**known, report: after})
