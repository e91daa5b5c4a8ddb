"""What makes no sense about what a user brings for a node: a spec in, complaints out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.check import Complaint
from lab.topology.spec import TopologySpec

_OF_OUR_SERVERS = ("stubs", "literal_tls")
"""What a node with the role ``sdc`` may have, and only the lab's own servers do."""


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether rules and programs of the user's own are alone in their places."""
    for name, node in spec.nodes.items():
        for key in _OF_OUR_SERVERS if node.run else ():
            if getattr(node, key):
                problem = (
                    f"{name} runs a program of its own, and the key {key} is for the lab's servers"
                )
                fix = f"have {node.run[0]} do that, and take {key} out; or take run out"
                yield Complaint(("nodes", name, key), problem, fix, (("nodes", name, "run"),))
        if node.rules is None:
            continue
        if node.opens is not None:
            problem = f"{name} has rules of its own, and what these open is for them to say"
            yield Complaint(("nodes", name, "opens"), problem, "take opens out, or rules")
        if name in spec.service:
            problem = f"the panel of {name} opens its firewall, as its remote service is tried"
            fix = "take rules out, or service"
            yield Complaint(("nodes", name, "rules"), problem, fix, (("service",),))
