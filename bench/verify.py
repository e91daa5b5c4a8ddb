"""`lab verify`: the same runs one at a time and as many at a time as there are processors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from bench.figures import CannotRun, Figure, ratios
from bench.guest import ROOT, run_dir
from lab.matrix import crew

SUMMARY = "six topologies: one at a time, and one a processor"

TOPOLOGIES = ("direct", "direct-snat", "vpn", "vpn-nat", "proxy", "simplified")
MOST_ROUNDS = 3


def measure(rounds: int) -> list[Figure]:
    """Wall time of both, in turn, so that what changes on the machine meanwhile cancels out."""
    at_once = crew.processors()
    one: list[float] = []
    many: list[float] = []
    for _ in range(min(rounds, MOST_ROUNDS)):
        one.append(_run(1))
        many.append(_run(at_once))
    return [
        Figure("one at a time", "s", one),
        Figure(f"{at_once} at a time", "s", many),
        Figure("of the time that one at a time takes", "", ratios(many, one)),
    ]


def _run(at_once: int) -> float:
    with run_dir() as directory:
        out = directory / "out"
        argv = [sys.executable, "-m", "lab", "verify", *TOPOLOGIES, "--jobs", str(at_once)]
        paths = os.pathsep.join((os.fspath(ROOT), os.environ.get("PYTHONPATH", "")))
        began = time.monotonic()
        done = subprocess.run(
            [*argv, "--out", os.fspath(out)],
            env={**os.environ, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        took = time.monotonic() - began
        if done.returncode != 0:
            raise CannotRun(f"lab verify ended with {done.returncode}: {done.stderr.decode()}")
        counts = json.loads((out / "verify.json").read_text())["counts"]
        if counts != {"right": len(TOPOLOGIES)}:
            raise CannotRun(f"lab verify found {counts}")
    return took
