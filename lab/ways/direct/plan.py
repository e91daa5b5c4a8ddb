"""The model of the way home over the Internet: nothing beyond what every way has."""

from __future__ import annotations

from dataclasses import dataclass

from lab.topology.model import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectPlan(Way):
    """A way home by the agent's own default route."""


Plan = DirectPlan
