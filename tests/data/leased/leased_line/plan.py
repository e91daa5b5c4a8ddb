"""What is decided about it."""

from __future__ import annotations

from dataclasses import dataclass

from lab.topology.model import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Way):
    carrier: str
