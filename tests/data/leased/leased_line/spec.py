"""What may be written about it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lab.topology.part import WaySpec


class Spec(WaySpec):
    kind: Literal["leased"]
    carrier: str = Field(description="Who lets the line.")
