"""What a user sees while the matrix runs: a line a running job on a terminal, else a line a job that ended.

All of it goes to standard error. Results go to standard output, in the order of the jobs, by ``tell``.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from lab.matrix.crew import Progressing, Watching
from lab.matrix.job import Came, JobOutcome
from lab.matrix.worker import Worker

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

PLAIN_EVERY_S = 30.0
DRAWN_EVERY_S = 0.1
SIGNS = {
    Came.right: "✓", Came.wrong: "✗", Came.unmet: "○", Came.broke: "!", Came.ended: "…",
}  # fmt: skip
WORDS = {
    Came.right: "right", Came.wrong: "wrong", Came.unmet: "not met", Came.broke: "broke",
    Came.ended: "ended",
}  # fmt: skip
STYLES = {
    Came.right: "green", Came.wrong: "red", Came.unmet: "yellow", Came.broke: "bold red",
    Came.ended: "yellow",
}  # fmt: skip

Tell = Callable[[JobOutcome], None]


class Counts:
    """How many came out how, and what is told in order."""

    def __init__(self, jobs: int, at_once: int, tell: Tell) -> None:
        self.jobs = jobs
        self.done = dict.fromkeys(Came, 0)
        self.time = Progressing(jobs, at_once)
        self._tell = tell
        self._kept: dict[int, JobOutcome] = {}
        self._next = 0

    def ended(self, outcome: JobOutcome) -> bool:
        """Count it, and tell all whose turn has come; whether any was told."""
        self.done[outcome.came] += 1
        self.time.ended(outcome)
        self._kept[outcome.job.number] = outcome
        before = self._next
        while self._next in self._kept:
            self._tell(self._kept.pop(self._next))
            self._next += 1
        return self._next > before

    def flush(self) -> None:
        """After an interrupt there are gaps."""
        for number in sorted(self._kept):
            self._tell(self._kept.pop(number))

    @property
    def line(self) -> str:
        each = [f"{SIGNS[came]} {n} {WORDS[came]}" for came, n in self.done.items() if n]
        return ", ".join([f"{sum(self.done.values())} of {self.jobs} done", *each])

    def left(self, running: Sequence[Worker]) -> str:
        left = self.time.left_s(running)
        return "" if left is None else f"about {duration(left)} left"


def duration(seconds: float) -> str:
    """``4 s``, ``2:05 min``, ``1:02:05 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"


class PlainBoard(Watching):
    """Lines that stay: for logs."""

    def __init__(self, counts: Counts, stream: TextIO) -> None:
        self._counts = counts
        self._stream = stream
        self._told = time.monotonic()

    def began(self, running: Sequence[Worker]) -> None:
        """Only the end of a job is told."""

    def went_on(self, running: Sequence[Worker]) -> None:
        if time.monotonic() - self._told < PLAIN_EVERY_S:
            return
        each = ", ".join(f"{one.job.title} for {duration(one.running_s)}" for one in running)
        self._say(f"running: {each}; {self._counts.line}")

    def ended(self, outcome: JobOutcome, running: Sequence[Worker]) -> None:
        self._counts.ended(outcome)
        more = self._counts.left(running) if any(running) else ""
        title, word = outcome.job.title, WORDS[outcome.came]
        line = f"{title}: {word} after {duration(outcome.wall_s)}; {self._counts.line}"
        self._say(f"{line}; {more}" if more else line)

    def _say(self, line: str) -> None:
        self._told = time.monotonic()
        print(line, file=self._stream, flush=True)


class LiveBoard(Watching):
    """A line a running job, redrawn in place, as wide as the terminal is at that moment."""

    def __init__(self, counts: Counts, live: Live) -> None:
        self._counts = counts
        self._live = live
        self._drawn = 0.0

    def began(self, running: Sequence[Worker]) -> None:
        self._draw(running)

    def went_on(self, running: Sequence[Worker]) -> None:
        # A run may tell a hundred things in a moment.
        if time.monotonic() - self._drawn > DRAWN_EVERY_S:
            self._draw(running)

    def ended(self, outcome: JobOutcome, running: Sequence[Worker]) -> None:
        self._counts.ended(outcome)
        self._draw(running)

    def _draw(self, running: Sequence[Worker]) -> None:
        self._drawn = time.monotonic()
        self._live.update(self._table(running), refresh=True)

    def _table(self, running: Sequence[Worker]) -> Table:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=2)
        grid.add_column(justify="right", no_wrap=True, min_width=5)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=5)
        for each in running:
            grid.add_row(
                Text(each.job.title, "bold"), Text(duration(each.running_s)), Text(each.now, "dim")
            )
        passed = duration(self._counts.time.passed_s)
        left = self._counts.left(running)
        told = Text(", ".join(filter(None, (self._counts.line, f"after {passed}", left))))
        told.no_wrap, told.overflow = True, "ellipsis"
        whole = Table.grid(expand=True)
        whole.add_row(grid)
        whole.add_row(told)
        return whole


@contextlib.contextmanager
def shown(counts: Counts, stream: TextIO) -> Iterator[Watching]:
    """Show on ``stream`` what happens while inside; the terminal is as it was afterwards."""
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainBoard(counts, stream)
        return
    # Without a thread of its own: jobs are forks. What is printed meanwhile stands above it.
    above = sys.stdout.isatty()
    with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=above) as live:
        yield LiveBoard(counts, live)
