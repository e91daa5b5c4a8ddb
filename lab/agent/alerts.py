"""What needs somebody's attention: kept until it is over, for ``lab agent status`` and the web UI."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab.agent import storage
from lab.agent.book import Book

FILE = "alerts.json"


class Alerts:
    """The alerts of an agent, each with a key: raised once, and cleared once."""

    def __init__(
        self,
        state: Path,
        book: Book,
        tell: Callable[[str], None] = lambda line: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = state / FILE
        self._book = book
        self._tell = tell
        self._now = now

    def all(self) -> dict[str, dict[str, Any]]:
        """By key: ``since`` (seconds of the epoch), ``message`` and ``fix``."""
        members = storage.read_json(self.path)
        return members if isinstance(members, dict) else {}

    def sound(self, key: str, message: str, fix: str) -> bool:
        """Raise an alert, and tell of it if it is new or says something else; whether its key is new."""
        with self._alone():
            known = self.all()
            before = known.get(key)
            if before is not None and before.get("message") == message:
                return False
            since = before["since"] if before else self._now()
            self._store({**known, key: {"since": since, "message": message, "fix": fix}})
        self._tell(f"{message}\n  hint: {fix}")
        self._book.note("alert", key=key, message=message, fix=fix)
        return before is None

    def clear(self, key: str) -> bool:
        """It is over; whether there was one."""
        if key not in self.all():
            return False
        with self._alone():
            known = self.all()
            self._store({other: told for other, told in known.items() if other != key})
        self._book.note("alert-over", key=key)
        return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process or thread changes the alerts; without room for a lock: all the same."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(storage.StorageError):
                storage.make_folder(self.path.parent)
                stack.enter_context(storage.locked(self.path.with_suffix(".lock")))
            yield

    def _store(self, alerts: dict[str, Any]) -> None:
        """On a full disk the alert has been told, and is raised again the next time."""
        try:
            storage.write_json(self.path, alerts)
        except storage.StorageError as error:
            self._tell(error.message)
