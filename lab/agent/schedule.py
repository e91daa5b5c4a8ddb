"""When each of the agent's regular tasks is due: data and arithmetic, no clock and no file.

Two clocks are read: the machine's, which people and NTP set, and one that only counts. A task is due when
one of them says that the interval has passed. So a clock that leaps forwards brings each task once, and not
once for every day that it leapt over; one that is set back delays nothing, as the other one goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

INSTANT_S = 0.001
"""Less than this is no time: the two clocks' numbers are rounded."""


@dataclass(slots=True)
class _Task:
    """One regular task."""

    interval_s: float
    last: float | None
    """When it ran last, by the machine's clock; None: never."""
    run: int
    """How often it ran: the number of the next run is in its report's identifier."""
    waited_s: float
    """How long ago that is, by the clock that counts."""


class Schedule:
    """The regular tasks."""

    def __init__(
        self,
        intervals: Mapping[str, float],
        stored: Mapping[str, Any],
        wall: float,
        counted: float,
    ) -> None:
        """``stored`` is what ``as_dict`` gave before the program ended; ``wall`` and ``counted`` are now."""
        self._counted = counted
        self._tasks: dict[str, _Task] = {}
        for name, interval_s in intervals.items():
            told = stored.get(name)
            last, run = (told.get("at"), told.get("run")) if isinstance(told, dict) else (None, 0)
            known = isinstance(last, int | float)
            since = wall - float(last or 0.0) if known else 0.0
            # A clock behind the last run says nothing of the time since: it is due, rather than never.
            waited_s = since if since >= 0 else interval_s
            self._tasks[name] = _Task(
                interval_s, float(last or 0.0) if known else None, int(run or 0), waited_s
            )

    def due(self, wall: float, counted: float) -> list[str]:
        """What is to be done now; also what was never done."""
        self._count(counted)
        return [name for name, task in self._tasks.items() if self._left_s(task, wall) <= INSTANT_S]

    def wait_s(self, wall: float, counted: float, without: Collection[str] = ()) -> float:
        """How long nothing is due, ``without`` some tasks; for ever if there are no others."""
        self._count(counted)
        left = (
            self._left_s(task, wall) for name, task in self._tasks.items() if name not in without
        )
        return max(0.0, min(left, default=float("inf")))

    def number(self, name: str) -> int:
        """Of the run that is due."""
        return self._tasks[name].run

    def done(self, name: str, wall: float, counted: float) -> None:
        """It is queued: the next run is an interval later."""
        self._count(counted)
        task = self._tasks[name]
        task.last, task.waited_s = wall, 0.0
        task.run += 1

    def as_dict(self) -> dict[str, dict[str, float]]:
        return {
            name: {"at": task.last, "run": task.run}
            for name, task in self._tasks.items()
            if task.last is not None
        }

    def _count(self, counted: float) -> None:
        passed, self._counted = counted - self._counted, counted
        for task in self._tasks.values():
            task.waited_s += max(
                0.0, passed
            )  # Such a clock may be made to leap, too: libfaketime(1).

    @staticmethod
    def _left_s(task: _Task, wall: float) -> float:
        if task.last is None:
            return 0.0
        return task.interval_s - max(task.waited_s, wall - task.last)
