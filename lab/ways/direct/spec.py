"""What a user may write about a way home over the Internet."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lab.topology.errand_kinds import ErrandKind
from lab.topology.part import WaySpec


class DirectSpec(WaySpec):
    """TLS over the Internet, by the agent's default route."""

    way_out: ClassVar[str] = "direct"
    kind: Literal["direct"]
    variant: Literal["ssl", "ursf"] | None = Field(
        default=None,
        description="Whose servers are called, where the profile has two sets: ssl if not given.",
    )
    errands: tuple[ErrandKind, ...] = Field(
        default=(),
        description="What agents do by this way in the place of a heartbeat, in this order.",
    )

    @property
    def errands_done(self) -> tuple[ErrandKind, ...]:
        return self.errands

    @property
    def address_set(self) -> str:
        return self.variant or "ssl"


Spec = DirectSpec
