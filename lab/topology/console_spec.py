"""A console that takes part in discovery, as a user writes it."""

from __future__ import annotations

from pydantic import Field

from lab.topology.part import Part
from lab.topology.values import LEVEL, NodeName


class ConsoleSpec(Part):
    """A Hardware Management Console that looks for others; the node's role is hmc."""

    manages: tuple[NodeName, ...] = Field(
        default=(),
        description="The systems that it manages, each on a link with it: nodes with the role cec.",
    )
    call_home_server: bool = Field(
        default=False,
        strict=True,
        description="Whether it has other consoles' requests sent to IBM, by the ways of its own (M-05).",
    )
    level: str = Field(
        default="",
        pattern=LEVEL,
        description="The level of its software; all call-home servers should have one level (M-08).",
    )
    box: NodeName | None = Field(
        default=None,
        description="The DS8000 that it is in: such a console knows those of the same DS8000 alone (M-09).",
    )
