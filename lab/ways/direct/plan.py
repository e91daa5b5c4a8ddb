"""The model of the way home over the Internet."""

from __future__ import annotations

from dataclasses import dataclass

from lab.topology.family import V4_ONLY, Family
from lab.topology.model import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectPlan(Way):
    """A way home by the agent's own default route."""

    families: tuple[Family, ...] = V4_ONLY
    """By which versions of IP servers are called, the preferred one first."""


Plan = DirectPlan
