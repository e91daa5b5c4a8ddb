"""What a user may write about a way home over the Internet: its kind, and whether connections are tested."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lab.topology.part import WaySpec


class DirectSpec(WaySpec):
    """TLS over the Internet, by the agent's default route."""

    way_out: ClassVar[str] = "direct"
    kind: Literal["direct"]
    test: bool = Field(
        default=False,
        strict=True,
        description="Whether an agent that has called home tests its connection to each listed server "
        "(F-12).",
    )


Spec = DirectSpec
