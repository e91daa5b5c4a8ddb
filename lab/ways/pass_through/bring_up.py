"""The way to a partition of i5/OS in the lab: the ways that run over it bring it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.ways.ground import Ground, WayDriver
from lab.ways.pass_through.plan import PassThroughPlan


@contextmanager
def start(ground: Ground) -> Iterator[PassThrough]:
    yield PassThrough()


class PassThrough(WayDriver):
    """Every agent's way to a partition."""

    def up(self, way: PassThroughPlan, agent: str) -> None:
        raise AssertionError("no agent has it alone")

    def up_again(self, way: PassThroughPlan, agent: str) -> None:
        raise AssertionError("no agent has it alone")

    def give_up(self, way: PassThroughPlan, agent: str) -> None:
        raise AssertionError("no agent has it alone")

    def healthy(self, way: PassThroughPlan, agent: str) -> bool:
        raise AssertionError("no agent has it alone")

    def lost(self, way: PassThroughPlan, agent: str) -> bool:
        raise AssertionError("no agent has it alone")
