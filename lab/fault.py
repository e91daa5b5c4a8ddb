"""What a fault is; which there are, ``faults`` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.topology.model import PathKind, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that can be wrong on the way home."""

    name: str
    summary: str
    needs: str
    """Which topologies it applies to, in words."""
    applies: Callable[[Topology], bool]
    survives: bool
    """Whether the call home must get through all the same, where it goes that way."""
    ways: tuple[PathKind, ...] = ()
    """The ways home that it is about; none: any. Elsewhere it befalls what stands beside the path."""
    change: Callable[[Topology], Topology]

    def survived_by(self, topology: Topology) -> bool:
        """Whether a topology's own call home gets through."""
        return self.survives or bool(self.ways and topology.path not in self.ways)
