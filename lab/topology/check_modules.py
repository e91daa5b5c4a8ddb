"""What makes no sense about a management module: a spec in, complaints out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.check import Complaint, network
from lab.topology.roles import Role
from lab.topology.spec import TopologySpec


def watched(spec: TopologySpec, node: str) -> list[tuple[str, str]]:
    """The link on which a module is, and the agent's host on it; one with that host alone comes first."""
    found = [
        (link, agent)
        for link in spec.links_of(node)
        for agent in spec.agents
        if agent in spec.links[link].nodes
    ]
    return sorted(found, key=lambda pair: len(spec.links[pair[0]].nodes))


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether the module is on a link with the one host that it watches."""
    for node in network(spec).with_role(Role.imm):
        agents = list(dict.fromkeys(agent for _, agent in watched(spec, node)))
        place, needs = ("nodes", node), (("links",), ("agents",))
        if not agents:
            problem = f"{node} is on no link with a host that calls home, and so watches none"
            fix = f"put {node} on a link with {next(iter(spec.agents), 'the host')}"
            yield Complaint(place, problem, fix, needs)
        elif len(agents) > 1:
            problem = f"{node} is on links with {' and '.join(agents)}, and watches one host"
            yield Complaint(place, problem, f"give {node} a link of its own with that host", needs)
