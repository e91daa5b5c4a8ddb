"""The topologies of ``tests/data/partition``: HMCs that borrow a partition's VPN, or its modem."""

from __future__ import annotations

from pathlib import Path

from lab.topology import load, resolve
from lab.topology.model import Topology

FILES = Path(__file__).parent / "data" / "partition"


def partition_topology(name: str, modems: int = 1) -> Topology:
    """``vpn`` or ``modem``, whose partition has so many modems."""
    text = (FILES / f"{name}.yaml").read_text().replace("modems: 1 }", f"modems: {modems} }}")
    return resolve.resolve(load.parse(text, f"{name}.yaml"), b"partition")
