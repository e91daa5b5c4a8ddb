"""How fast virtual time runs on a VPN that stands idle: rekeys, keepalives and echoes only."""

from __future__ import annotations

from bench.command import timed_run
from bench.figures import Figure

SUMMARY = "six hours of the idle vpn-nat in virtual time"

LONG_S = 21_600


def measure(rounds: int) -> list[Figure]:
    timed_run("true")
    wall: list[float] = []
    speed: list[float] = []
    for _ in range(rounds):
        base = timed_run("true")
        whole = timed_run("sleep", str(LONG_S))
        wall.append(whole - base)
        speed.append(LONG_S / wall[-1])

    return [
        Figure("wall time, less that of no time at all", "s", wall),
        Figure("virtual seconds per wall second", "", speed, (">=", 1000)),
    ]
