"""What a benchmark measured: samples, their target, and the line that tells it."""

from __future__ import annotations

import operator
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_HOLDS: Mapping[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}

WIDTH = 46


class CannotRun(Exception):
    """A benchmark that this machine cannot run, and why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Samples of one quantity; the median is held against the target."""

    name: str
    unit: str
    samples: Sequence[float]
    target: tuple[str, float] | None = None
    """``("<=", 6)``; None for what is told only to explain another figure."""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def missed(self) -> bool:
        if self.target is None:
            return False
        comparison, value = self.target
        return not _HOLDS[comparison](self.median, value)

    def line(self) -> str:
        spread = (min(self.samples), self.median, max(self.samples))
        numbers = "".join(f"{_plain(value):>10}" for value in spread)
        text = f"  {self.name:<{WIDTH}}{self.unit:>6}{numbers}"
        if self.target is not None:
            comparison, value = self.target
            verdict = "MISSED" if self.missed else "held"
            text += f"   {comparison} {value:g}: {verdict}"
        return text


HEADING = f"  {'':<{WIDTH}}{'unit':>6}{'min':>10}{'median':>10}{'max':>10}   target"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Of paired samples, pair by pair: what changes on the machine meanwhile cancels out."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def machine() -> str:
    """This machine in one line, with how busy it is now."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return f"{cores} cores, {model}, Linux {platform.release()}, load {load:.2f}"


def _plain(value: float) -> str:
    """Three digits that mean something, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"
