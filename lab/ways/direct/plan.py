"""The model of the way home over the Internet."""

from __future__ import annotations

from dataclasses import dataclass

from lab.topology.family import V4_ONLY, Family
from lab.topology.model import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectPlan(Way):
    """A way home by the agent's own default route."""

    families: tuple[Family, ...] = V4_ONLY

    @property
    def ip_families(self) -> tuple[Family, ...]:
        """As the file says."""
        return self.families


Plan = DirectPlan
