"""How ways over the Internet come up: the agent's default route is there from the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.ways.direct.events import DefaultRouteTaken
from lab.ways.direct.plan import DirectPlan
from lab.ways.ground import Ground, WayDriver


@contextmanager
def start(ground: Ground) -> Iterator[Direct]:
    """Nothing has to run."""
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

    def put_to_test(self, lab: Any) -> None:
        """Have each agent test its connections, where the topology wants it (F-12)."""
        topology = self._ground.topology
        for agent in topology.agents:
            way = lab.homeward.in_use(agent)
            # Another kind of way may have this driver, and a plan of its own.
            if isinstance(way, DirectPlan) and way.tests:
                # Not at the top: most ways over the Internet are not tested so.
                from lab.ways.direct import connectivity

                connectivity.test_all(self._ground, way, agent)
