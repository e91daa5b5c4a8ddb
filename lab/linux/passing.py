"""Faults that pass: what nodes lose until every agent has called home, or tried to."""

from __future__ import annotations

from collections.abc import Mapping

from lab.linux.firewall import LOST_IN_PASSING, TABLE, run
from lab.linux.nodes import Node
from lab.topology.model import Topology


def end(topology: Topology, nodes: Mapping[str, Node]) -> list[str]:
    """Let the nodes pass on again what they lost in passing; which nodes these are. Counters stay."""
    passing = [rule for rule in topology.drops if rule.passing]
    names = list(dict.fromkeys(rule.node for rule in passing))
    for name in names:
        own = {rule.own for rule in passing if rule.node == name}
        script = "".join(f"flush chain inet {TABLE} {LOST_IN_PASSING[each]}\n" for each in own)
        run(nodes[name], "end the fault of", script)
    return names
