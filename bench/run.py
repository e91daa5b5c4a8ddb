"""How long ``lab run vpn-nat -- true`` takes, from program start to program end."""

from __future__ import annotations

from bench.command import timed_run
from bench.figures import Figure

SUMMARY = "lab run vpn-nat -- true: boot, bring the path up, take it down, judge"


def measure(rounds: int) -> list[Figure]:
    took = [timed_run("true") for _ in range(rounds + 1)][1:]
    return [Figure("program start to program end", "s", took, ("<=", 6))]
