"""What the guest's kernel takes for what programs ask of it: by seccomp, where it can, and by ptrace."""

from __future__ import annotations

import os

from bench.figures import Figure
from bench.guest import measure_inside, run_dir
from lab import kernel
from lab.engine.host import Engine
from lab.kernel.store import SECCOMP

SUMMARY = "what programs ask of the guest's kernel most, real clock"


def measure(rounds: int) -> list[Figure]:
    ways = ["ptrace"]
    if kernel.status().facts.get("seccomp"):
        ways.insert(0, "seccomp")
    return [figure for way in ways for figure in _by(way, rounds)]


def _by(way: str, rounds: int) -> list[Figure]:
    before = os.environ.get(SECCOMP)
    os.environ[SECCOMP] = "off" if way == "ptrace" else "auto"
    try:
        with run_dir() as directory:
            taken: dict[str, list[float]] = measure_inside(
                "inside_calls", str(rounds), where=Engine.uml, run_dir=directory
            )
    finally:
        if before is None:
            del os.environ[SECCOMP]
        else:
            os.environ[SECCOMP] = before
    figures = []
    for what, samples in taken.items():
        name, _, unit = what.rstrip(")").partition(" (")
        figures.append(Figure(f"{name}, by {way}", unit, samples))
    return figures
