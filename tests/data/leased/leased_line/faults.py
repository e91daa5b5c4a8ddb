"""What can be wrong with it."""

from __future__ import annotations

from lab.topology.model import DropRule
from lab.ways.fault import Fault, drop


def _cut(topology):
    return drop(topology, DropRule(name="line-cut", node=topology.firewall.node))


FAULTS = (
    Fault(
        name="line-cut",
        summary="the carrier has dug through its line",
        needs="a leased line",
        applies=lambda t: any(way.kind == "leased" for way in t.ways) and t.firewall is not None,
        kind="leased",
        change=_cut,
    ),
)
