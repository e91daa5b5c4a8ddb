"""A target that a user enters at an agent, as a topology file has it (OUT-44)."""

from __future__ import annotations

from pydantic import Field

from lab.topology.part import Part
from lab.topology.values import NodeName


class UserTargetSpec(Part):
    """An address and a port that a user enters, such as those of a server to which data is offloaded."""

    from_: NodeName = Field(alias="from", description="The agent at which it is entered.")
    to: NodeName = Field(
        description="The server: a node with the role user-target, on the Internet's side."
    )
    port: int = Field(ge=1, le=65535, strict=True, description="The server's TCP port, such as 22.")
