"""Progress of something long, on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from lab.kernel import Progress

EVERY_S = 10.0


class Lines:
    """A plain line at the start of each step, and every ten seconds with an estimate."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._what = ""
        self._began = self._told = 0.0

    def step(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._told = what, now, now
            self.note(f"{what} ...")
        elif now - self._told >= EVERY_S:
            self._told = now
            left = _left_s(now - self._began, done, total)
            self.note(f"{what}: {done} of about {total}{left}")

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Bar:
    """A bar with the time that is left, redrawn in place."""

    def __init__(self, drawing: RichProgress) -> None:
        self._drawing = drawing
        self._what = ""
        self._task = drawing.add_task("", total=None)

    def step(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self._what = what
            self._drawing.reset(self._task, description=what, total=total)
        self._drawing.update(self._task, completed=done, total=total)

    def note(self, text: str) -> None:
        self._drawing.console.print(text, markup=False, highlight=False)


@contextlib.contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Progress]:
    """Show progress on ``stream`` (standard error) while inside."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield Lines(stream)
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as drawing:
        yield Bar(drawing)


def _left_s(passed_s: float, done: int, total: int) -> str:
    if done < 1:
        return ""
    return f", about {passed_s / done * (total - done):.0f} s left"
