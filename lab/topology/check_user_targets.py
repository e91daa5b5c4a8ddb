"""What makes no sense about targets that users enter: a spec in, complaints out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology import check
from lab.topology.check import Complaint, goes_out, is_private, named, network, site, unknown
from lab.topology.roles import Role
from lab.topology.spec import TopologySpec


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether each is of an agent, and at a server that is none of IBM's."""
    seen: dict[tuple[str, str, int], str] = {}
    for name, target in spec.user_targets.items():
        place = ("user_targets", name)
        if target.from_ in spec.nodes and target.from_ not in spec.agents:
            problem = f"{target.from_} calls nobody home, and targets are entered at agents"
            fix = f"name an agent, such as {next(iter(spec.agents), 'hmc')}"
            yield Complaint((*place, "from"), problem, fix, (("agents",),))
        elif target.from_ not in spec.nodes:
            yield unknown((*place, "from"), "agent", target.from_, spec.agents, (("agents",),))
        if target.to in spec.nodes and spec.nodes[target.to].role is Role.sdc:
            problem = (
                f"{target.to} is IBM's: the list has the servers there, and nobody enters them"
            )
            fix = "name a node with the role user-target"
            needs = (("nodes", target.to, "role"),)
            yield Complaint((*place, "to"), problem, fix, needs)
        else:
            yield from named(spec, (*place, "to"), target.to, Role.user_target)
        one = target.from_, target.to, target.port
        if one in seen:
            problem = f"agent, server and port are those of {seen[one]}, too"
            yield Complaint(place, problem, "take one of the two out")
        seen.setdefault(one, name)

    aimed_at = {target.to for target in spec.user_targets.values()}
    for node in network(spec).with_role(Role.user_target):
        if node not in aimed_at:
            agent = next(iter(spec.agents), "hmc")
            fix = f"add user_targets: {{ offload: {{ from: {agent}, to: {node}, port: 22 }} }}"
            problem = f"no entry of user_targets leads to {node}"
            yield Complaint(("nodes", node, "role"), problem, fix, (("user_targets",),))


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether agents get there over the Internet, in a spec that has no other complaint."""
    net = network(spec)
    (internet,) = net.with_role(Role.internet)
    reached = net.ways(internet, closed=site(spec))
    told = {*check.routes(spec)} if spec.user_targets else set()
    for name, target in spec.user_targets.items():
        place = ("user_targets", name)
        # What the agent's way home complains of is said once.
        lacking = {*goes_out(spec, net, ("agents", target.from_), target.from_)} - told
        yield from lacking
        told |= lacking
        if target.to in net.zone(target.from_):
            problem = f"{target.to} is on {target.from_}'s side of the Internet"
            fix = f"put {target.to} on a link of its own with {internet}"
            yield Complaint((*place, "to"), problem, fix)
        elif target.to not in reached:
            yield Complaint((*place, "to"), f"{internet} does not reach {target.to}")
        elif is_private(subnet := spec.links[net.uplinks(target.to)[0]].subnet):
            problem = f"{internet} has no way to {target.to} in {subnet}"
            fix = "give the link a public subnet such as 203.0.113.0/24"
            yield Complaint((*place, "to"), problem, fix)
