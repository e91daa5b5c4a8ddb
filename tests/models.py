"""The lab's own topologies, loaded and resolved once for all tests of a process. Both are frozen."""

from __future__ import annotations

from functools import cache

from lab.topology import load
from lab.topology.model import Topology
from lab.topology.resolve import resolve
from lab.topology.spec import TopologySpec


@cache
def spec(name: str) -> TopologySpec:
    """What a file of ``topologies/`` says."""
    return load.load(name)


@cache
def model(name: str, seed: bytes) -> Topology:
    """What follows from it."""
    return resolve(spec(name), seed)
