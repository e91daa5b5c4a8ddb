"""What a daemon's log says came about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Milestone:
    """One line of one log."""

    time: float
    node: str
    program: str
    text: str
