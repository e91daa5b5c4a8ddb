"""What makes no sense about what a user brings for a node: a spec in, complaints out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.check import Complaint
from lab.topology.spec import TopologySpec


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether rules of the user's own are alone in their place."""
    for name, node in spec.nodes.items():
        if node.rules is None:
            continue
        if node.opens is not None:
            problem = f"{name} has rules of its own, and what these open is for them to say"
            yield Complaint(("nodes", name, "opens"), problem, "take opens out, or rules")
        if name in spec.service:
            problem = f"the panel of {name} opens its firewall, as its remote service is tried"
            fix = "take rules out, or service"
            yield Complaint(("nodes", name, "rules"), problem, fix, (("service",),))
