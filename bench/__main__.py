"""``python -m bench [NAME...]``: run benchmarks, print medians and ratios beside their targets.

A missed target is marked, not an error: a busy machine misses some. Exit status 1 only if a benchmark
could not run.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from bench.figures import HEADING, CannotRun, machine
from lab.errors import LabError
from lab.names import did_you_mean

BENCHMARKS = (
    "kernel",
    "calls",
    "run",
    "servers",
    "star",
    "fleet",
    "verify",
    "idle",
    "tcp",
    "modem",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=5, help="measured runs after the warm-up")
    arguments = parser.parse_args()
    names = arguments.names or BENCHMARKS
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(
            f"there is no benchmark {unknown[0]!r}; {did_you_mean(unknown[0], BENCHMARKS)}"
        )

    print(f"machine: {machine()}")
    print(f"{arguments.rounds} runs each, after a warm-up\n{HEADING}")
    missed = broken = 0
    for name in names:
        module = importlib.import_module(f"bench.{name}")
        print(f"{name}: {module.SUMMARY}", flush=True)
        try:
            figures = module.measure(arguments.rounds)
        except (CannotRun, LabError) as error:
            print(f"  CANNOT RUN: {error}")
            broken += 1
            continue
        for figure in figures:
            print(figure.line(), flush=True)
        missed += sum(figure.missed for figure in figures)

    print(f"\nmachine at the end: {machine()}")
    print(f"{missed} targets missed, {broken} benchmarks could not run")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
