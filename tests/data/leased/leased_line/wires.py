"""What it puts on the wires."""

from __future__ import annotations

from lab.ways.direct.wires import (
    allows,
    callers,
    connections,
    destinations,
    signs,
    title,
    uses,
)

__all__ = ["allows", "callers", "connections", "destinations", "signs", "title", "uses"]
