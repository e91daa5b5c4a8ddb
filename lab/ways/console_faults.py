"""Faults among consoles that look for each other."""

from __future__ import annotations

from itertools import combinations

from lab.consoles.hello import PORT
from lab.topology.consoles import Console
from lab.topology.model import DropRule, Topology
from lab.ways.fault import Fault, Need, drop


def _pairs(topology: Topology) -> list[tuple[Console, Console]]:
    """The consoles that have a link in common, and are to know each other."""
    return [
        (one, other)
        for one, other in combinations(topology.consoles, 2)
        if one.box == other.box
        and {c.segment for c in one.cards} & {c.segment for c in other.cards}
    ]


def _block_broadcasts(topology: Topology) -> Topology:
    (_, deaf), *_ = _pairs(topology)
    lost = DropRule(name="broadcast-blocked", node=deaf.node, protocol="udp", port=PORT, own=True)
    return drop(topology, lost)


FAULTS = (
    Fault(
        "broadcast-blocked",
        "the firewall of a console lets nothing in at UDP 9900",
        Need(
            "consoles on one link that look for each other", lambda topology: bool(_pairs(topology))
        ),
        _block_broadcasts,
    ),
)
