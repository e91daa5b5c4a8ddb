"""The way to a partition of i5/OS in the lab: the ways that run over it bring it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from lab.ways.ground import Ground, WayDriver
from lab.ways.pass_through.plan import PassThroughPlan
from lab.ways.vpn import plan as vpn

if TYPE_CHECKING:
    from lab.ways.ground import Lender


@contextmanager
def start(ground: Ground) -> Iterator[PassThrough]:
    yield PassThrough(ground)


class PassThrough(WayDriver):
    """Every agent's way to a partition."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def details(self) -> dict[str, list[str]]:
        """The SAs of each partition that lends its VPN."""
        services, topology = self._ground.services, self._ground.topology
        lending = (end for plan in vpn.plans(topology) if (end := plan.partition))
        return {node: cast("Lender", services[node]).details() for node in dict.fromkeys(lending)}

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
