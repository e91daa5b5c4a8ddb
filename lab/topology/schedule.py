"""When agents call home: one after the other at once, or spread over a time, as a topology file says."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from pydantic import Field

from lab.topology.model import Agent
from lab.topology.part import Part
from lab.topology.values import Duration


class ScheduleSpec(Part):
    """When agents call home by themselves: each once, at a time that chance draws."""

    over: Duration = Field(description="The calls are spread over so long, such as 24h.")
    seed: int = Field(
        default=0, ge=0, lt=1 << 32, strict=True, description="Another number draws other times."
    )

    def time_of(self, agent: str) -> float:
        """Seconds; of the seed and the agent's name alone, so that an agent more changes no other's."""
        # Python promises the same numbers of ``random`` in every version, for the same seed.
        return round(Random(f"{self.seed} {agent}").random() * self.over, 3)


def callers(
    agents: Mapping[str, tuple[str, ...]], schedule: ScheduleSpec | None
) -> tuple[Agent, ...]:
    """The hosts that call home, in the order of the file, which is not that of their times."""
    return tuple(
        Agent(name=name, ways=ways, calls_at_s=schedule.time_of(name) if schedule else 0.0)
        for name, ways in agents.items()
    )
