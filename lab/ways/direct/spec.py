"""What a user may write about a way home over the Internet: nothing beyond its kind."""

from __future__ import annotations

from typing import ClassVar, Literal

from lab.topology.part import WaySpec


class DirectSpec(WaySpec):
    """TLS over the Internet, by the agent's default route."""

    way_out: ClassVar[str] = "direct"
    kind: Literal["direct"]


Spec = DirectSpec
