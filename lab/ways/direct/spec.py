"""What a user may write about a way home over the Internet."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lab.topology.errand_kinds import ErrandKind
from lab.topology.family import V4_ONLY, Family
from lab.topology.part import WaySpec


class DirectSpec(WaySpec):
    """TLS over the Internet, by the agent's default route."""

    way_out: ClassVar[str] = "direct"
    kind: Literal["direct"]
    families: tuple[Family, ...] = Field(
        default=V4_ONLY,
        min_length=1,
        description="By which versions of IP servers are called, the preferred one first: ipv4, ipv6.",
    )

    test: bool = Field(
        default=False,
        strict=True,
        description="Whether an agent that has called home tests its connection to each listed server "
        "(F-12).",
    )
    variant: Literal["ssl", "ursf"] | None = Field(
        default=None,
        description="Whose servers are called, where the profile has two sets: ssl if not given.",
    )
    errands: tuple[ErrandKind, ...] = Field(
        default=(),
        description="What agents do by this way in the place of a heartbeat, in this order.",
    )

    @property
    def ip_families(self) -> tuple[Family, ...]:
        """As the file says."""
        return self.families

    @property
    def errands_done(self) -> tuple[ErrandKind, ...]:
        return self.errands

    @property
    def address_set(self) -> str:
        return self.variant or "ssl"


Spec = DirectSpec
