"""What makes no sense about a way home by telephone."""

from __future__ import annotations

from collections.abc import Iterator

from lab.names import did_you_mean
from lab.topology import check, check_telephone
from lab.topology.check import Complaint
from lab.topology.model import Role
from lab.topology.roles import TRAITS
from lab.topology.routing import Network
from lab.topology.spec import TopologySpec
from lab.topology.strict_yaml import Place
from lab.ways.dial.spec import DialSpec
from lab.ways.pass_through.spec import PassThroughSpec

EXAMPLE = "1-800-555-0100"


def complaints(spec: TopologySpec, name: str, way: DialSpec) -> Iterator[Complaint]:
    place: Place = ("ways", name)
    suggestion = "rounds: 2 says how often the list is tried"
    yield from check.repeated((*place, "numbers"), way.numbers, suggestion)
    yield from _nobodys(spec, name, way)
    yield from _regions(spec, name, way)
    yield from _lender(spec, name, way)
    if spec.lig is None:
        suggestion = f"add {check.free(spec, 'lig')}: {{ role: {Role.lig}, modems: 2 }}"
        problem = f"there is no node with the role {Role.lig}"
        yield Complaint(("nodes",), problem, suggestion, (place,))
    if check_telephone.is_left_out(spec):
        suggestion = f'add telephone: {{ lig: {{ number: "{EXAMPLE}" }} }}'
        problem = "a way by telephone needs telephone lines"
        yield Complaint(place, problem, suggestion, (("telephone",),))
    if not way.numbers:
        line = spec.telephone.get(spec.lig or "")
        suggestion = f'add numbers: ["{line.number if line is not None else EXAMPLE}"]'
        problem = "a way by telephone needs numbers"
        yield Complaint(place, problem, suggestion, ((*place, "numbers"),))


def _nobodys(spec: TopologySpec, name: str, way: DialSpec) -> Iterator[Complaint]:
    """Some numbers may be nobody's, and are tried in vain (R-08), but not all."""
    answered = _gateways(spec)
    lines = [line.number for line in spec.telephone.values()]
    befallen = [call.to for call in spec.calls if call.to is not None]
    if way.numbers and answered and not {*way.numbers} & {*lines, *befallen}:
        these = way.numbers[0] if len(way.numbers) == 1 else "any of these numbers"
        suggestion = did_you_mean(way.numbers[0], answered)
        needs = (("telephone",),)
        yield Complaint(
            ("ways", name, "numbers"), f"no telephone line has {these}", suggestion, needs
        )


def _gateways(spec: TopologySpec) -> list[str]:
    """The numbers at which calls are answered."""
    return [
        line.number
        for node, line in spec.telephone.items()
        if node in spec.nodes and TRAITS[spec.nodes[node].role].answers_calls
    ]


def _regions(spec: TopologySpec, name: str, way: DialSpec) -> Iterator[Complaint]:
    """AT&T has a list for the user ids of agents, and for nobody else."""
    agents = spec.agents_of(name)
    for node in way.regions:
        if node not in agents:
            problem = f"{node} is no agent of this way, so no user id is its own"
            suggestion = did_you_mean(node, agents) or "name an agent, or take it out"
            yield Complaint(("ways", name, "regions", node), problem, suggestion, (("agents",),))


def _lender(spec: TopologySpec, name: str, way: DialSpec) -> Iterator[Complaint]:
    """A partition whose modem is borrowed has one; an agent that borrows it needs none (OUT-30)."""
    below = spec.way_below(way)
    if not isinstance(below, PassThroughSpec) or below.partition not in spec.nodes:
        return
    lender = below.partition
    needs: tuple[Place, ...] = (("nodes", lender, "role"), ("nodes", lender, "modems"))
    if not spec.nodes[lender].modems and lender not in spec.telephone:
        problem = f"{lender} is to dial, and has no modem"
        fix = f"give {lender} modems: 1, and a line in telephone"
        yield Complaint(("ways", name, "over"), problem, fix, (*needs, ("telephone",)))
    for other, earlier in spec.ways_of_kind(DialSpec).items():
        if other == name:
            return
        if earlier.over == way.over and earlier.init != way.init:
            problem = f"{lender} sets up its modem in one way, for {other} and {name} alike"
            fix = f"give both the same init, or let {name} run over another partition"
            yield Complaint(("ways", name), problem, fix, (("ways", other),))


def routes(spec: TopologySpec, net: Network, name: str, way: DialSpec) -> Iterator[Complaint]:
    """Whether the way can exist: a modem needs no link to the Internet, and no SNAT on it (F-18)."""
    yield from check.reaches_servers(spec, net, name)


def machine() -> None:
    """Every machine that can run a lab can run this way."""
