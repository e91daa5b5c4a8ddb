"""Faults about targets that users enter at agents (OUT-44)."""

from __future__ import annotations

from dataclasses import replace

from lab.topology.model import Topology
from lab.topology.user_targets import REQUIREMENT
from lab.ways.fault import Fault, Need


def _has_rules(topology: Topology) -> bool:
    """Whether the firewall has the lab's own rule for a target."""
    firewall = topology.firewall
    if firewall is None or any(own.node == firewall.node for own in topology.own_rules):
        return False
    return any(rule.requirement == REQUIREMENT for rule in firewall.rules)


def _shut(topology: Topology) -> Topology:
    firewall = topology.firewall
    assert firewall is not None, "the fault applies"
    kept = tuple(rule for rule in firewall.rules if rule.requirement != REQUIREMENT)
    return replace(topology, firewall=replace(firewall, rules=kept))


FAULTS = (
    Fault(
        "user-target-shut",
        "the customer's firewall opens the list alone, and no target that users have entered",
        Need("targets that users enter, behind a firewall with the lab's rules", _has_rules),
        _shut,
    ),
)
