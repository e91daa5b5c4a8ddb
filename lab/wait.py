"""Deadlines, and the one loop that waits for a fact.

The only module that sleeps. Everything else names a fact of a protocol and waits for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lab.errors import DeadlineExceeded

T = TypeVar("T")


class Deadline:
    """A point on the lab's clock by which something must have happened."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.left_s == 0.0


def wait_until(
    fact: str,
    probe: Callable[[], T | None],
    deadline: Deadline | float,
    *,
    every_s: float = 0.02,
    seen: Callable[[], str] = str,
) -> T:
    """Ask ``probe`` until it gives something true, and return that.

    ``fact`` is the sentence that the error will carry ("the SA to 129.42.160.16 is installed"),
    ``seen`` says what there was instead. The pause between two questions grows from ``every_s``
    to ten times that, so that a long wait in real time costs little.
    """
    end = deadline if isinstance(deadline, Deadline) else Deadline(deadline)
    pause_s = every_s

    while not (answer := probe()):
        if end.passed:
            raise DeadlineExceeded(fact, end.seconds, seen())

        time.sleep(min(pause_s, end.left_s))
        pause_s = min(pause_s * 1.5, every_s * 10)

    return answer


def comes_true(
    fact: str, probe: Callable[[], object], deadline: float, *, every_s: float = 0.02
) -> bool:
    """Whether ``probe`` gives something true before the deadline; waits for it as ``wait_until`` does."""
    try:
        wait_until(fact, probe, deadline, every_s=every_s)
    except DeadlineExceeded:
        return False
    return True


def let_pass(seconds: float) -> None:
    """Let time pass where a protocol itself asks for a pause, as between two calls; for nothing else."""
    time.sleep(seconds)
