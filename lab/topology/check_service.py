"""What makes no sense about inbound remote service in a topology file: a spec in, complaints out."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.check import Complaint, named, network
from lab.topology.roles import Role
from lab.topology.spec import TopologySpec
from lab.topology.strict_yaml import Place


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """What is wrong between places of a spec whose single values are all well-formed."""
    if len(spec.service) > 1:
        problem = f"remote service is set up for {' and '.join(spec.service)}"
        yield Complaint(("service",), problem, "leave one HMC: the lab judges one at a time")
    for console, service in spec.service.items():
        place: Place = ("service", console)
        yield from named(spec, place, console, Role.hmc)
        if service.dialer is None:
            continue
        dialer: Place = (*place, "dialer")
        yield from named(spec, dialer, service.dialer, Role.service_dialer)
        is_console = console in spec.nodes and spec.nodes[console].role is Role.hmc
        if is_console and console not in spec.telephone:
            problem = f"{service.dialer} cannot call {console}, which has no telephone line"
            fix = f"give {console} modems: 1 and a number in telephone, or take the dialer out"
            yield Complaint(dialer, problem, fix, (("telephone",), ("nodes", console)))


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether the console can be scanned from its own wire, in a spec that has no other complaint."""
    for console in spec.service:
        if neighbour(spec, console) is None:
            uplink = network(spec).uplinks(console)[0]
            problem = (
                f"no other host is on {uplink}: nothing would show that {console}'s ports are open"
            )
            fix = f"add a node with the role {Role.host} to {uplink}"
            yield Complaint(("service", console), problem, fix)


def neighbour(spec: TopologySpec, console: str) -> str | None:
    """The first host on a console's own wire."""
    links = network(spec).uplinks(console)
    around = (node for link in links[:1] for node in spec.links[link].nodes)
    return next((node for node in around if spec.nodes[node].role is Role.host), None)
