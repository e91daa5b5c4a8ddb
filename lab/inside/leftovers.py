"""What is left of a lab that goes down (g6): in the nodes before their namespaces go, and of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from lab.linux import inventory
from lab.linux.nodes import PINS, Node
from lab.linux.pid_namespace import by_network
from lab.topology.model import Topology
from lab.wait import comes_true

PATIENCE_S = 5.0
"""For what has been told to end, and has not had the processor since."""


def in_nodes(topology: Topology, nodes: Mapping[str, Node]) -> list[str]:
    """Things and processes beside what the model gives to each node, and that do not go by themselves."""
    found = _look(topology, nodes)

    def gone() -> bool:
        found[:] = _look(topology, nodes)
        return not found

    if found:
        comes_true("the end of everything in the nodes", gone, PATIENCE_S)
    return found


def _look(topology: Topology, nodes: Mapping[str, Node]) -> list[str]:
    found: list[str] = []
    # One look for all nodes: the table of processes grows with their number.
    processes = by_network()
    for planned in topology.nodes:
        node = nodes[planned.name]
        found += inventory.leftovers(node, topology)
        found += [f"{node.name}: process {pid}" for pid in node.strays_among(processes)]
    return found


def of_pins(names: Iterable[str]) -> list[str]:
    """The links to namespaces of these nodes that are still there."""
    folders = [f"/run/{folder}" for folder in PINS.values()]
    paths = (f"{folder}/{name}" for folder in folders for name in names)
    return [path for path in paths if os.path.lexists(path)]
