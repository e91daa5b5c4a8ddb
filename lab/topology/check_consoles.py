"""What makes no sense about consoles that look for each other: a spec in, complaints out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.check import Complaint, named, named_once, network
from lab.topology.roles import Role
from lab.topology.spec import TopologySpec
from lab.topology.values import POINT_TO_POINT


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether consoles are HMCs, and systems are managed."""
    for name, console in spec.consoles.items():
        yield from named(spec, ("consoles", name), name, Role.hmc)
        yield from named_once(spec, ("consoles", name, "manages"), console.manages, Role.cec)
        if console.call_home_server and not _own_ways(spec, name):
            problem = f"{name} is a call-home server, and has no way home of its own"
            fix = f"give {name} such a way under agents, or take call_home_server out"
            yield Complaint(("consoles", name, "call_home_server"), problem, fix)
    managed = {system for console in spec.consoles.values() for system in console.manages}
    for system in network(spec).with_role(Role.cec):
        if system not in managed:
            fix = f"name it in a console's list, such as manages: [{system}], or make it a host"
            yield Complaint(("nodes", system, "role"), f"no console manages {system}", fix)


def _own_ways(spec: TopologySpec, name: str) -> list[str]:
    """The ways by which it comes home without another console."""
    own = spec.agents.get(name, ())
    return [way for way in own if way in spec.ways and spec.ways[way].kind != "consoles"]


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether consoles can broadcast and reach their systems, in a spec that has no other complaint."""
    for name, console in spec.consoles.items():
        own = spec.links_of(name)
        for link in own:
            if spec.links[link].subnet.endswith(f"/{POINT_TO_POINT}"):
                problem = (
                    f"{link} has no broadcast address, and {name} broadcasts on each of its links"
                )
                fix = "give the link a subnet of /30 or larger"
                yield Complaint(("links", link, "subnet"), problem, fix)
        for index, system in enumerate(console.manages):
            if not {*own} & {*spec.links_of(system)}:
                problem = f"{name} is on no link with {system}, which it manages"
                place = ("consoles", name, "manages", index)
                yield Complaint(place, problem, "put both on one link")
