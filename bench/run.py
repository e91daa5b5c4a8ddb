"""How long ``lab run vpn-nat -- true`` takes, from program start to program end, and ``dial``."""

from __future__ import annotations

from bench.command import timed_run
from bench.figures import Figure

SUMMARY = "lab run TOPOLOGY -- true: boot, bring the path up, take it down, judge"

LIMITS_S = {"vpn-nat": 6, "dial": 5}


def measure(rounds: int) -> list[Figure]:
    return [
        Figure(
            name,
            "s",
            [timed_run("true", topology=name) for _ in range(rounds + 1)][1:],
            ("<=", limit),
        )
        for name, limit in LIMITS_S.items()
    ]
