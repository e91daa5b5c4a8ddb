"""How it is drawn."""

from __future__ import annotations

from lab.ways.direct.picture import DIALS, hops, tunnel_ends, tunnel_labels

__all__ = ["DIALS", "blocks", "hops", "tunnel_ends", "tunnel_labels"]


def blocks(topology, way):
    yield ["The leased line", f"  carrier   {way.carrier}"]
