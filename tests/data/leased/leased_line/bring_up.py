"""How it comes up."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

from lab.record.event import Event
from lab.ways.direct.bring_up import Direct


@dataclass(frozen=True, kw_only=True)
class LineTaken(Event):
    carrier: str

    @property
    def sentence(self):
        return f"{self.source} by the line of {self.carrier}"


class Leased(Direct):
    def up(self, way, agent):
        self._ground.story.tell(LineTaken(source=agent, carrier=way.carrier))


@contextmanager
def start(ground):
    yield Leased(ground)
