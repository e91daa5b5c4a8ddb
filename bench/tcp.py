"""TCP through 3DES/MD5, L2TP and PPP: the lab's path against the same stack set up by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

from bench.figures import Figure, ratios
from bench.guest import engine, measure_inside, run_dir
from lab.engine.host import Clock, Engine
from lab.machine import packages
from lab.run.run import Run
from lab.topology.model import Topology

SUMMARY = "TCP through the VPN, by the lab and by hand, real clock"

GIGABIT = 1_000_000_000


def measure(rounds: int) -> list[Figure]:
    """With the topology's own rates and delays, and where only the processor limits it."""
    figures: list[Figure] = []
    for name, unlimited in (("as in vpn-nat", False), ("1 Gbit/s, no delay", True)):
        took = _took(rounds, unlimited=unlimited)
        figures += [
            Figure(f"{name}: the lab", "Mbit/s", took["lab"]),
            Figure(f"{name}: by hand", "Mbit/s", took["hand"]),
            Figure(f"{name}: ratio", "", ratios(took["lab"], took["hand"]), (">=", 0.95)),
        ]
    return figures


def _took(rounds: int, *, unlimited: bool) -> dict[str, Any]:
    engine(Engine.uml)
    packages.require("iperf3", "the throughput benchmark")
    with run_dir() as directory:
        run = Run.prepare("vpn-nat", engine=Engine.uml, clock=Clock.real, out=directory / "run")
        if unlimited:
            run.topology = _unlimited(run.topology)
        run.write_keys()
        taken: dict[str, Any] = measure_inside(
            "inside_tcp", "--run-dir", str(run.run_dir), "--rounds", str(rounds),
            where=Engine.uml, run_dir=directory,
        )  # fmt: skip
    return taken


def _unlimited(topology: Topology) -> Topology:
    segments = (
        dataclasses.replace(segment, rate_bit_s=GIGABIT, delay_s=0.0)
        for segment in topology.segments
    )
    return dataclasses.replace(topology, segments=tuple(segments))
