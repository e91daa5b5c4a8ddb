"""What a user may write about the way to a partition of i5/OS."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lab.topology.part import WaySpec
from lab.topology.values import NodeName


class PassThroughSpec(WaySpec):
    """L2TP in clear to a partition of i5/OS, which lends its VPN or its modem (OUT-27, OUT-30)."""

    leads_home: ClassVar[bool] = False
    kind: Literal["pass-through"]
    partition: NodeName = Field(description="The i5 whose VPN or modem is borrowed.")


Spec = PassThroughSpec
