"""What can be wrong with it."""

from __future__ import annotations

from lab.topology.model import DropRule
from lab.ways.fault import Fault, Need, drop


def _cut(topology):
    return drop(topology, DropRule(name="line-cut", node=topology.firewall.node))


LEASED = Need(
    "a leased line",
    lambda t: any(way.kind == "leased" for way in t.ways) and t.firewall is not None,
    "leased",
)

FAULTS = (Fault("line-cut", "the carrier has dug through its line", LEASED, _cut),)
