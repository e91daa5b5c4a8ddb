"""A console that takes part in discovery, as a user writes it."""

from __future__ import annotations

from pydantic import Field

from lab.topology.part import Part
from lab.topology.values import NodeName


class ConsoleSpec(Part):
    """A Hardware Management Console that looks for others; the node's role is hmc."""

    manages: tuple[NodeName, ...] = Field(
        default=(),
        description="The systems that it manages, each on a link with it: nodes with the role cec.",
    )
    box: NodeName | None = Field(
        default=None,
        description="The DS8000 that it is in: such a console knows those of the same DS8000 alone (M-09).",
    )
