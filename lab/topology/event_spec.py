"""The Events Manager for Call Home, as a user writes it (M-10 to M-14)."""

from __future__ import annotations

from pydantic import Field

from lab.topology.part import Part
from lab.topology.values import Duration, NodeName


class EventsSpec(Part):
    """A console that approves what other consoles call home (S3 "Events Manager for Call Home")."""

    manager: NodeName = Field(description="The console with the Events Manager; its role is hmc.")
    registers: tuple[NodeName, ...] = Field(
        min_length=1, description="The consoles that the manager registers; each holds its events."
    )
    holds: tuple[NodeName, ...] = Field(
        min_length=1,
        description="The consoles whose events wait for approval: hosts that call home, with the role hmc.",
    )
    waits: Duration = Field(
        default=30 * 86400.0,
        description="How long the lab lets events wait that nobody has approved, such as 30d.",
    )
