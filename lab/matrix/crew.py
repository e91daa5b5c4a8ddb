"""Carries out jobs, as many at a time as there are processors; ^C ends all of them in order."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from lab.engine.host import Engine
from lab.linux import signals
from lab.matrix import worker
from lab.matrix.job import EXIT_INTERRUPTED, Job, JobOutcome
from lab.matrix.worker import Worker

TICK_S = 0.5
"""The display counts seconds meanwhile."""
INTERRUPTS_TO_KILL = 3
"""As in a run: who insists so often is obeyed at once."""


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


class Watching(Protocol):
    """Who wants to see jobs begin, go on and end."""

    def began(self, running: Sequence[Worker]) -> None: ...
    def went_on(self, running: Sequence[Worker]) -> None: ...
    def ended(self, outcome: JobOutcome, running: Sequence[Worker]) -> None: ...


class Crew:
    """The workers of one matrix."""

    def __init__(self, jobs: Sequence[Job], out: Path, engine: Engine, at_once: int) -> None:
        self._waiting = [*jobs]
        self._out = out
        self._engine = engine
        self._at_once = max(1, at_once)
        self._running: list[Worker] = []
        self._interrupts = 0

    @property
    def interrupted(self) -> bool:
        return self._interrupts > 0

    def carry_out(self, watching: Watching) -> list[JobOutcome]:
        """Every job's outcome, in the order of the jobs; those that were not begun are ``ended``, too."""
        found: list[JobOutcome] = []
        with selectors.DefaultSelector() as selector, _held() as came:
            selector.register(came, selectors.EVENT_READ)
            try:
                while self._running or self._waiting:
                    self._begin(selector, watching)
                    for key, _ in selector.select(TICK_S):
                        if key.fileobj == came:
                            self._on_signals(os.read(came, 64))
                        elif key.data[1] == "said":
                            if not key.data[0].hear():
                                selector.unregister(key.fileobj)
                        elif key.data[0] in self._running:
                            found.append(self._end(key.data[0], selector))
                            watching.ended(found[-1], self._running)
                    watching.went_on(self._running)
            finally:
                self._abandon()
        return sorted(found, key=lambda each: each.job.number)

    def _begin(self, selector: selectors.BaseSelector, watching: Watching) -> None:
        if self.interrupted:
            self._waiting.clear()
        while self._waiting and len(self._running) < self._at_once:
            begun = worker.start(self._waiting.pop(0), self._out, self._engine)
            self._running.append(begun)
            selector.register(begun.said, selectors.EVENT_READ, (begun, "said"))
            selector.register(begun.process, selectors.EVENT_READ, (begun, "process"))
            watching.began(self._running)

    def _end(self, done: Worker, selector: selectors.BaseSelector) -> JobOutcome:
        self._running.remove(done)
        for descriptor in (done.said, done.process):
            with contextlib.suppress(KeyError):
                selector.unregister(descriptor)
        return done.outcome()

    def _on_signals(self, numbers: bytes) -> None:
        asked = [n for n in numbers if n != signal.SIGWINCH]
        for _ in asked:
            self._interrupts += 1
            insists = self._interrupts >= INTERRUPTS_TO_KILL
            for each in self._running:
                each.end(signal.SIGKILL if insists else signal.SIGINT)

    def _abandon(self) -> None:
        """Where the display or a disk failed: leave no lab running."""
        for each in self._running:
            each.end(signal.SIGINT)
        for each in self._running:
            each.outcome()
        self._running.clear()


def _held() -> AbstractContextManager[int]:
    """The display wants SIGWINCH at once."""
    return signals.held(signals.END, also=[signal.SIGWINCH])


def not_begun(jobs: Sequence[Job], done: Sequence[JobOutcome], out: Path) -> list[JobOutcome]:
    """Of the jobs that an interrupt left: that they were never begun."""
    numbers = {each.job.number for each in done}
    return [
        JobOutcome(
            job=job, run_dir=out / job.folder, status=EXIT_INTERRUPTED, problem="it was not begun"
        )
        for job in jobs
        if job.number not in numbers
    ]


class Progressing:
    """How long a matrix takes, and how long it may take still."""

    def __init__(self, jobs: int, at_once: int) -> None:
        self._left = jobs
        self._at_once = at_once
        self._began = time.monotonic()
        self._took: list[float] = []

    def ended(self, outcome: JobOutcome) -> None:
        self._left -= 1
        self._took.append(outcome.wall_s)

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self._began

    def left_s(self, running: Sequence[Worker]) -> float | None:
        """By the mean of those that are done; None before one is."""
        if not self._took:
            return None
        mean = sum(self._took) / len(self._took)
        begun = sum(min(each.running_s, mean) for each in running)
        return max(0.0, (mean * self._left - begun) / self._at_once)
