"""What it puts on the wires."""

from __future__ import annotations

from lab.ways.direct.wires import allows, began, callers, destinations, signs, title

__all__ = ["allows", "began", "callers", "destinations", "signs", "title"]
