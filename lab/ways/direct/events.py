"""What happens on a way over the Internet."""

from __future__ import annotations

from dataclasses import dataclass

from lab.record.event import Event


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class DefaultRouteTaken(Event):
    """The agent's host goes by its default route."""

    @property
    def sentence(self) -> str:
        return f"{self.source} by the default route"
