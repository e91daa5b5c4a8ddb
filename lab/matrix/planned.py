"""Which runs there are to make: topologies, and the faults that each can have. Reads files, makes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lab.matrix import causes
from lab.matrix.job import Job
from lab.run.run import resolved

if TYPE_CHECKING:
    from lab.topology.model import Topology
    from lab.ways.fault import Fault


def plan(given: Sequence[str], *, with_faults: bool) -> tuple[Job, ...]:
    """A job for each topology, or for each fault of each, in their order.

    Raises UsageError or TopologyError before anything runs.
    """
    jobs: list[Job] = []
    for name in given:
        topology = resolved(name, "")
        jobs += _with_faults(name, topology) if with_faults else [_plain(name, topology)]
    return tuple(replace(job, number=n, folder=f) for n, (job, f) in enumerate(_named(jobs)))


def _named(jobs: Iterable[Job]) -> Iterable[tuple[Job, str]]:
    """Each with a folder of its own: files in two places may have one name."""
    taken: dict[str, int] = {}
    for job in jobs:
        name = f"{job.topology}.{job.fault}" if job.fault else job.topology
        taken[name] = taken.get(name, 0) + 1
        yield job, name if taken[name] == 1 else f"{name}-{taken[name]}"


def _plain(name: str, topology: Topology) -> Job:
    own = {way.name: way for agent in topology.agents for way in topology.ways_of(agent)}
    kinds = dict.fromkeys(kind for way in own.values() for kind in topology.kinds_of(way))
    return Job(
        number=0, given=name, topology=topology.name, fault="", ways=(*own,), kinds=(*kinds,), folder=""
    )  # fmt: skip


def _with_faults(name: str, topology: Topology) -> list[Job]:
    from lab.ways import faults

    plain = _plain(name, topology)
    return [_with_fault(plain, topology, fault) for fault in faults.applicable(topology)]


def _with_fault(plain: Job, topology: Topology, fault: Fault) -> Job:
    return replace(
        plain,
        fault=fault.name,
        cause=causes.expected(topology.name, fault.name),
        unharmed=fault.survives or fault.backed_up(topology),
        survives=fault.survived_by(topology),
        about=fault.need.kinds,
        breaks=causes.broken_invariants(topology, fault.name),
    )
