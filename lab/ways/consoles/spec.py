"""What a user may write about a way home by other consoles."""

from __future__ import annotations

from typing import ClassVar, Literal

from lab.topology.part import WaySpec


class ConsolesSpec(WaySpec):
    """By call-home servers that the agent's own console has discovered (S3 "Call-home servers", S4 5.4.2)."""

    kind: Literal["consoles"]
    looks_up_servers: ClassVar[bool] = False


Spec = ConsolesSpec
