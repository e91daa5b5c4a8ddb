"""What an agent more costs: labs of several sizes behind one proxy, and the line through them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import correlation, linear_regression

from bench.figures import CannotRun, Figure
from bench.guest import ROOT, run_dir
from lab.topology import load

SUMMARY = "agents behind one proxy, each calling home once: what one more costs"

SIZES = (5, 20, 50, 100, 200)
MOST_ROUNDS = 3
OVER = "1h"
"""Squid wakes up each second, so a day takes some seconds more, with any number of agents."""
KIB = 1 << 10

Series = dict[int, list[float]]


def measure(rounds: int) -> list[Figure]:
    """Each size once a round: processor time of all processes, and the memory of the largest of them."""
    rounds = min(rounds, MOST_ROUNDS)
    seconds: Series = {size: [] for size in SIZES}
    memory: Series = {size: [] for size in SIZES}
    for _ in range(rounds):
        for size in SIZES:
            took, held = _run(size)
            seconds[size].append(took)
            memory[size].append(held)
    figures = [Figure(f"{size} agents: processor time", "s", seconds[size]) for size in SIZES]
    figures += [Figure(f"{size} agents: memory", "MiB", memory[size]) for size in SIZES]
    return [
        *figures,
        *_lines("processor time", "ms", _scaled(seconds, 1000), 250),
        *_lines("memory", "MiB", memory, 3),
    ]


def _scaled(series: Series, factor: float) -> Series:
    return {size: [value * factor for value in values] for size, values in series.items()}


def _lines(what: str, unit: str, series: Series, most: float) -> list[Figure]:
    """The line of each round: its slope, and the share of the differences that it explains."""
    slope = _of_rounds(series, lambda ys: linear_regression(SIZES, ys).slope)
    fit = _of_rounds(series, lambda ys: correlation(SIZES, ys) ** 2)
    return [
        Figure(f"an agent more: {what}", unit, slope, ("<=", most)),
        Figure(f"{what} on a line: R squared", "", fit, (">=", 0.97)),
    ]


def _of_rounds(series: Series, of: Callable[[Sequence[float]], float]) -> list[float]:
    rounds = zip(*(series[size] for size in SIZES), strict=True)
    return [of(values) for values in rounds]


def _run(size: int) -> tuple[float, float]:
    """``lab run`` of the bundled fleet with so many agents: seconds of processor, MiB of memory."""
    with run_dir() as directory:
        file = directory / "fleet.yaml"
        file.write_text(_topology(size))
        argv = [sys.executable, "-m", "lab", "run", os.fspath(file), "--quiet"]
        argv += ["--out", os.fspath(directory / "run")]
        paths = os.pathsep.join((os.fspath(ROOT), os.environ.get("PYTHONPATH", "")))
        output = directory / "output"
        with output.open("wb") as told:
            popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                env={**os.environ, "PYTHONPATH": paths},
            )
            # Of the command and of all that it has started and waited for, the guest's kernel among them.
            _, status, used = os.wait4(popen.pid, 0)
            popen.returncode = os.waitstatus_to_exitcode(status)
        if popen.returncode != 0:
            said = output.read_text(errors="replace").strip()
            raise CannotRun(f"{size} agents: lab run ended with {popen.returncode}: {said}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / KIB


def _topology(size: int) -> str:
    text = Path(load.folder() / "fleet.yaml").read_text()
    for old, new in (("count: 200", f"count: {size}"), ("over: 24h", f"over: {OVER}")):
        if old not in text:
            raise CannotRun(f"topologies/fleet.yaml has no {old!r} any more")
        text = text.replace(old, new)
    return text
