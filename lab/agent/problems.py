"""The problems that were reported, each with the number that IBM's side gave it (E-20): ``problems.json``.

A problem that has ended is known for as long as IBM keeps its report, and then forgotten (E-21).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.agent import storage

FILE = "problems.json"
QUEUED, OPEN, CLOSED, REFUSED = "queued", "open", "closed", "refused"
"""States: it waits; IBM has it; IBM has closed it; IBM will never take it."""
_ENDED = (CLOSED, REFUSED)


class Problems:
    """By report: machine, reference_code, severity, text, occurred, state, pmh once it is known, ``ended``
    (seconds of the epoch) once the agent knows that it has ended."""

    def __init__(
        self, state: Path, keep_s: float = float("inf"), now: Callable[[], float] = time.time
    ) -> None:
        """``keep_s``: how long a problem is known that has ended."""
        self.path = state / FILE
        self.keep_s = keep_s
        self._now = now

    def all(self) -> dict[str, dict[str, Any]]:
        members = storage.read_json(self.path)
        return members if isinstance(members, dict) else {}

    def note(self, report: str, **members: object) -> None:
        """Add to what is known of a problem, whoever else adds something; raises StorageError."""
        storage.make_folder(self.path.parent)
        with storage.locked(self.path.with_suffix(".lock")):
            known = self.all()
            after = {**known.get(report, {}), **members}
            if after.get("state") in _ENDED:
                after.setdefault("ended", self._now())
            self._store(known, {**known, report: after})

    def forget_old(self) -> None:
        """Forget what has ended long ago; raises StorageError."""
        if not self.path.exists():
            return
        with storage.locked(self.path.with_suffix(".lock")):
            known = self.all()
            self._store(known, known)

    def _store(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        kept = {report: told for report, told in after.items() if not self._is_old(told)}
        if kept != before:
            storage.write_json(self.path, kept)

    def _is_old(self, told: Any) -> bool:
        ended = told.get("ended") if isinstance(told, dict) else None
        return isinstance(ended, int | float) and ended + self.keep_s <= self._now()
