"""How a failure is told."""

from __future__ import annotations

from lab.ways.direct.symptoms import failure, survived

__all__ = ["failure", "survived"]
