"""What a user may write about a way home over the Internet: by which versions of IP it goes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

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

    @property
    def ip_families(self) -> tuple[Family, ...]:
        """As the file says."""
        return self.families

    test: bool = Field(
        default=False,
        strict=True,
        description="Whether an agent that has called home tests its connection to each listed server "
        "(F-12).",
    )


Spec = DirectSpec
