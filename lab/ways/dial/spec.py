"""What a user may write about a way home by telephone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field

from lab.topology.catalogue import Region
from lab.topology.part import WaySpec
from lab.topology.values import InitString, NodeName, Number, Pause, WayName


class DialSpec(WaySpec):
    """A call to AT&T's gateway: modem, number, PPP with PAP."""

    way_out: ClassVar[str] = "modem"
    over_kinds: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"pass-through": "pass-through-modem"}
    )
    dials: ClassVar[bool] = True
    looks_up_servers: ClassVar[bool] = False
    """AT&T's name server does, by telephone."""
    kind: Literal["dial"]
    numbers: tuple[Number, ...] = Field(
        default=(), description="The numbers in the order in which they are tried."
    )
    over: WayName | None = Field(
        default=None,
        description="The pass-through way to a partition that dials; none: the agent's own modem.",
    )
    init: InitString | None = Field(
        default=None,
        description="What the modem is told first; if left out, ATZ, or what its family has for it.",
    )
    rounds: int = Field(
        default=2, ge=1, le=100, strict=True, description="How often the whole list is tried."
    )
    pause: Pause = Field(default=10.0, description="Between two calls, such as 10s.")
    regions: dict[NodeName, Region] = Field(
        default_factory=dict,
        description="Of which region an agent's list is, where it is not the topology's (L-10).",
    )

    @property
    def runs_over(self) -> str:
        return self.over or ""

    @property
    def regions_of_lists(self) -> dict[str, Region]:
        return self.regions


Spec = DialSpec
