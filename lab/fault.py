"""What a fault is; which there are, ``faults`` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.topology.model import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that can be wrong on the way home."""

    name: str
    summary: str
    needs: str
    """Which topologies it applies to, in words."""
    applies: Callable[[Topology], bool]
    survives: bool
    """Whether the call home must get through all the same."""
    change: Callable[[Topology], Topology]
