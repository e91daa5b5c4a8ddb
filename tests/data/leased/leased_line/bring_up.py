"""How it comes up."""

from __future__ import annotations

from contextlib import contextmanager

from lab.ways.direct.bring_up import Direct


class Leased(Direct):
    def up(self, way, agent):
        self._ground.story.tell("path", f"{agent} by the line of {way.carrier}")


@contextmanager
def start(ground):
    yield Leased(ground)
