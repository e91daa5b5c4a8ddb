"""What makes no sense about the way to a partition of i5/OS."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology import check
from lab.topology.check import Complaint
from lab.topology.model import Role
from lab.topology.routing import Network
from lab.topology.spec import TopologySpec
from lab.topology.strict_yaml import Place
from lab.ways.pass_through.spec import PassThroughSpec


def complaints(spec: TopologySpec, name: str, way: PassThroughSpec) -> Iterator[Complaint]:
    place: Place = ("ways", name, "partition")
    lender = spec.nodes.get(way.partition)
    if lender is not None and lender.role is Role.hmc:
        problem = (
            f"{way.partition} is an HMC, and pass-through is for partitions of i5/OS, not for borrowing the "
            "connectivity of another HMC (OUT-31)"
        )
        partitions = check.network(spec).with_role(Role.i5)
        name_it = f"name {partitions[0]}" if partitions else "name a node with the role i5"
        fix = f"{name_it}; what lends an HMC's connectivity to another is a call-home server (S4 5.4.2)"
        yield Complaint(place, problem, fix, (("nodes", way.partition, "role"),))
    else:
        yield from check.named(spec, place, way.partition, Role.i5)
    for other, earlier in spec.ways_of_kind(PassThroughSpec).items():
        if other == name:
            break
        if earlier.partition == way.partition:
            problem = f"{other} is the way to {way.partition} already"
            yield Complaint(place, problem, f"have ways run over {other}", (("ways", other),))


def routes(
    spec: TopologySpec, net: Network, name: str, way: PassThroughSpec
) -> Iterator[Complaint]:
    """Whether each agent has a wire in common with the partition: packets go both ways there (OUT-28)."""
    for agent in spec.agents_of(name):
        if not shared_link(spec, agent, way.partition):
            problem = f"{agent} and {way.partition} are on no link together"
            yield Complaint(("ways", name), problem, "plug both into one link, such as i5-lan")


def shared_link(spec: TopologySpec, agent: str, partition: str) -> str:
    """The first link that an agent and a partition are both on; empty if there is none."""
    theirs = {*spec.links_of(partition)}
    return next((link for link in spec.links_of(agent) if link in theirs), "")


def machine() -> None:
    """A way over it asks for what the partition needs (IKE version 1); the kernel is asked elsewhere."""
