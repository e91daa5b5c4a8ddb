"""What makes no sense about a way home by other consoles."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.check import Complaint
from lab.topology.routing import Network
from lab.topology.spec import TopologySpec
from lab.ways.consoles.spec import ConsolesSpec


def complaints(spec: TopologySpec, name: str, way: ConsolesSpec) -> Iterator[Complaint]:
    """Whether the agents are consoles, and some other console is a call-home server with ways of its own."""
    for agent in spec.agents_of(name):
        console = spec.consoles.get(agent)
        if console is None:
            problem = f"{agent} comes home by {name}, and is no console"
            yield Complaint(("ways", name), problem, f"add {agent}: {{}} to consoles")
            continue
        servers = [
            other
            for other, each in spec.consoles.items()
            if each.call_home_server and other != agent and each.box == console.box
        ]
        if not servers:
            problem = f"{agent} comes home by {name}, and no other console is a call-home server"
            fix = "give one of consoles call_home_server: true"
            yield Complaint(("ways", name), problem, fix, (("consoles",),))


def routes(spec: TopologySpec, net: Network, name: str, way: ConsolesSpec) -> Iterator[Complaint]:
    """Nothing: whether consoles discover each other is to be found out."""
    yield from ()


def machine() -> None:
    """Every machine that can run a lab can run this way."""
