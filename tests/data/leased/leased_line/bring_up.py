"""How it comes up."""

from __future__ import annotations

from contextlib import contextmanager

from lab.record.event import Event
from lab.ways.direct.bring_up import Direct


class LineTaken(Event, tells="{source} by the line of {carrier}"):
    """The carrier's line is in use."""

    carrier: str


class Leased(Direct):
    def up(self, way, agent):
        self._ground.story.tell(LineTaken(source=agent, carrier=way.carrier))


@contextmanager
def start(ground):
    yield Leased(ground)
