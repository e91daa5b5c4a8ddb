"""How it is drawn."""

from __future__ import annotations

from lab.ways.direct.picture import hops

__all__ = ["blocks", "hops"]


def blocks(topology, way):
    yield ["The leased line", f"  carrier   {way.carrier}"]
