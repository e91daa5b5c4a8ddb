"""The agent's schedule with its file, ``schedule.json``: what ran when survives the program."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from typing import Any

from lab.agent import storage
from lab.agent.schedule import Schedule
from lab.agent.state import AgentState

FILE = "schedule.json"


class Calendar:
    """The regular tasks of an agent, by its two clocks."""

    def __init__(self, state: AgentState, counted: Callable[[], float] = time.monotonic) -> None:
        """``counted`` is a clock that nobody sets."""
        self._now = state.now
        self._counted = counted
        self._path = state.file(FILE)
        stored = storage.read_json(self._path)
        told: dict[str, Any] = stored if isinstance(stored, dict) else {}
        tasks = told.get("tasks")
        self._kept = bool(told.get("token"))
        self._token = str(told.get("token") or os.urandom(4).hex())
        """Tells the reports of this state folder from those of another one."""
        self._schedule = Schedule(
            state.settings.schedule,
            tasks if isinstance(tasks, dict) else {},
            self._now(),
            counted(),
        )

    def due(self) -> list[str]:
        return self._schedule.due(self._now(), self._counted())

    def wait_s(self, without: Collection[str] = ()) -> float:
        """How long nothing is due, ``without`` some tasks."""
        return self._schedule.wait_s(self._now(), self._counted(), without)

    def report(self, task: str, serial: str) -> str:
        """The identifier of the report of the run that is due: the same until the run is done.

        Also for a program that comes after a kill. Raises StorageError.
        """
        if not self._kept:
            self._keep()
        return f"{task}-{self._token}-{self._schedule.number(task)}-{serial}"

    def done(self, task: str) -> None:
        """A run is done, also if StorageError is raised: then the file says so after the next run."""
        self._schedule.done(task, self._now(), self._counted())
        self._keep()

    def _keep(self) -> None:
        storage.make_folder(self._path.parent)
        storage.write_json(self._path, {"token": self._token, "tasks": self._schedule.as_dict()})
        self._kept = True
