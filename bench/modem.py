"""Data through two modems in real time, and what it costs: their thread, and the whole guest."""

from __future__ import annotations

import dataclasses
import resource
import time
from typing import Any

from bench.figures import Figure
from bench.guest import engine, measure_inside, run_dir
from lab.engine.host import Clock, Engine
from lab.run.run import Run
from lab.topology.model import Topology

SUMMARY = "1 Mbit/s both ways through two modems, real clock"

RATE_BIT_S = 1_000_000


def measure(rounds: int) -> list[Figure]:
    engine(Engine.uml)
    with run_dir() as directory:
        run = Run.prepare("dial", engine=Engine.uml, clock=Clock.real, out=directory / "run")
        run.topology = _faster(run.topology)
        run.write_keys()
        began, before = time.perf_counter(), _spent()
        taken: dict[str, Any] = measure_inside(
            "inside_modem", "--run-dir", str(run.run_dir), "--rounds", str(rounds),
            where=Engine.uml, run_dir=directory,
        )  # fmt: skip
        whole = (_spent() - before) / (time.perf_counter() - began)
    return [
        Figure("each way", "Mbit/s", taken["rate"], (">=", 0.95)),
        Figure("the telephone's thread", "cores", taken["share"], ("<=", 0.5)),
        Figure("the whole guest, from its boot to its end", "cores", [whole]),
    ]


def _spent() -> float:
    """Seconds of processors that our children took, those of the guest among them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _faster(topology: Topology) -> Topology:
    """No topology file may ask for such a modem: there was none."""
    assert topology.telephone is not None
    lines = tuple(
        dataclasses.replace(line, rate_bit_s=RATE_BIT_S) for line in topology.telephone.lines
    )
    return dataclasses.replace(
        topology, telephone=dataclasses.replace(topology.telephone, lines=lines)
    )
