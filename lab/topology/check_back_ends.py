"""What makes no sense about the servers behind IBM's front end (OUT-37): a spec in, complaints out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.check import Complaint, network, repeated
from lab.topology.roles import Role
from lab.topology.spec import TopologySpec


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether each errand has one server at most, and each server some errand."""
    owners: dict[str, str] = {}
    for node in network(spec).with_role(Role.back_end):
        place = ("nodes", node, "serves")
        serves = spec.nodes[node].serves
        if not serves:
            fix = "such as serves: [problem, upload]"
            yield Complaint(place, f"{node} serves nothing", fix, (("nodes", node, "role"),))
        yield from repeated(place, serves)
        for index, kind in enumerate(serves):
            if (owner := owners.setdefault(kind, node)) != node:
                problem = f"{kind} is served by {owner} already"
                yield Complaint((*place, index), problem, "leave it with one of the two")


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether the front end has a wire to each of them, in a spec that has no other complaint."""
    net = network(spec)
    (front,) = net.with_role(Role.sdc)
    for node in net.with_role(Role.back_end):
        if not {*spec.links_of(node)} & {*spec.links_of(front)}:
            problem = f"{node} is on no link with {front}, which hands errands to it"
            yield Complaint(("nodes", node), problem, f"put both on one link, such as {CORE}")


CORE = "core"
"""As the lab's own topologies call IBM's network behind the front end."""
