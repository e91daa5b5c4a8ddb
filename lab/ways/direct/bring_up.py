"""How ways over the Internet come up: the agent's default route is there from the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.topology.family import Family
from lab.ways.direct.events import DefaultRouteTaken
from lab.ways.direct.plan import DirectPlan
from lab.ways.ground import Ground, WayDriver


@contextmanager
def start(ground: Ground) -> Iterator[Direct]:
    """Nothing has to run; hosts that are to prefer IPv4 are told so."""
    for way in ground.topology.ways:
        if isinstance(way, DirectPlan) and way.families == (Family.ipv4, Family.ipv6):
            from lab.linux import address_order  # Few topologies have both.

            for agent in way.agents:
                address_order.prefer_ipv4(ground.nodes[agent])
    yield Direct(ground)


class Direct(WayDriver):
    """Every agent's default route."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def up(self, way: DirectPlan, agent: str) -> None:
        """The route is there."""
        self._ground.story.tell(DefaultRouteTaken(source=agent))

    def up_again(self, way: DirectPlan, agent: str) -> None:
        """The route is still there."""

    def give_up(self, way: DirectPlan, agent: str) -> None:
        """The route stays; another way goes before it."""

    def healthy(self, way: DirectPlan, agent: str) -> bool:
        """A route says nothing about what it leads to."""
        return True

    def lost(self, way: DirectPlan, agent: str) -> bool:
        """A route is not lost."""
        return False
