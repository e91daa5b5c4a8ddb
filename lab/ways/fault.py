"""What a fault is, and what faults are made of; which there are, ``faults`` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from lab.topology.model import DropRule, Topology, Way

W = TypeVar("W", bound=Way)


@dataclass(frozen=True, slots=True)
class Need:
    """What a topology must have for a fault to apply to it."""

    text: str
    met_by: Callable[[Topology], bool]
    kind: str = ""
    """The kind of way that such faults are about; empty: any. Elsewhere they befall what stands beside the
    path."""
    also: tuple[str, ...] = ()
    """Other kinds of way that they befall."""
    carrying: str = ""
    """The kind of the ways over such a way that they befall; empty: whatever runs over it."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of ways of which one must have been tried for them to be seen; empty: any."""
        return tuple(filter(None, (self.carrying or self.kind, *self.also)))

    def befalls(self, topology: Topology, way: Way) -> bool:
        """Whether such faults are about a way home, or about the one below it."""
        kinds = {*topology.kinds_of(way)}
        own = {self.kind, self.carrying} - {""}
        return bool(own and own <= kinds) or not kinds.isdisjoint(self.also)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that can be wrong on the way home."""

    name: str
    summary: str
    need: Need
    change: Callable[[Topology], Topology]
    survives: bool = False
    """Whether the call home must get through all the same, where it goes that way."""
    backed_up: Callable[[Topology], bool] = lambda topology: False
    """Whether, in a topology, something else of the same way takes over."""

    def applies(self, topology: Topology) -> bool:
        return self.need.met_by(topology)

    def survived_by(self, topology: Topology) -> bool:
        """Whether the calls home of a topology's agents get through: perhaps by another way."""
        spared = (
            any(not self.need.befalls(topology, way) for way in topology.ways_of(agent))
            for agent in topology.agents
        )
        if self.survives or self.backed_up(topology):
            return True
        return bool(self.need.kind and all(spared))


def change_ways(topology: Topology, kind: type[W], change: Callable[[W], W]) -> Topology:
    """The topology with each way of a class changed."""
    ways = tuple(change(way) if isinstance(way, kind) else way for way in topology.ways)
    return replace(topology, ways=ways)


def drop(topology: Topology, rule: DropRule) -> Topology:
    """The topology with packets lost at a node."""
    return replace(topology, drops=(*topology.drops, rule))
