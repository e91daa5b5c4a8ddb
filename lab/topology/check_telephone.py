"""What makes no sense about telephones in a topology file: lines, numbers, modems, AT&T's gateway.

The telephone's part of ``check``: a spec in, complaints out. A telephone may stand beside a path
that does not go over it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from lab.topology import check, modem_family, strict_yaml
from lab.topology.check import Complaint
from lab.topology.resolve_telephone import line_names
from lab.topology.roles import TRAITS, Role
from lab.topology.spec import NodeSpec, TopologySpec
from lab.topology.strict_yaml import Place
from lab.topology.words import near


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    for name, node in spec.nodes.items():
        yield from _node(spec, name, node)
    for name in spec.telephone:
        yield from _line(spec, name)
        yield from _family(spec, name)
    yield from _exchange(spec)
    yield from _tables(spec)
    yield from _line_names(spec)
    yield from _numbers(spec)


def _node(spec: TopologySpec, name: str, node: NodeSpec) -> Iterator[Complaint]:
    place, traits = ("nodes", name), TRAITS[node.role]
    role, modems, pool = (*place, "role"), (*place, "modems"), (*place, "pool")
    for link in spec.links_of(name) if not traits.wired else ():
        problem = f"{name} is an exchange: it has telephone lines and is on no link"
        yield Complaint(("links", link, "nodes", name), problem, "take it out", (role,))
    if traits.answers_calls and not node.modems:
        problem = f"{name} has no modem that answers"
        yield Complaint(place, problem, "give it modems: 2", (role, modems))
    elif "modems" not in traits.takes or is_left_out(spec):
        pass
    elif node.modems and name not in spec.telephone:
        problem = f"{name} has a modem and no telephone line"
        suggestion = f'add {name}: {{ number: "..." }} to telephone'
        yield Complaint(modems, problem, suggestion, (role, ("telephone",)))
    if traits.answers_calls and node.pool is not None:
        subnet = ipaddress.ip_network(node.pool)
        if any(subnet.overlaps(net) for net in check.PRIVATE):
            problem = f"no answer from the Internet comes to callers in {node.pool}"
            suggestion = "take a public subnet such as 203.0.113.128/28, or leave it out"
            yield Complaint(pool, problem, suggestion, (role,))


def is_left_out(spec: TopologySpec) -> bool:
    """Whether agents dial, and there is no line at all: one mistake, and not one for each modem."""
    return any(way.dials for way in spec.ways.values()) and not spec.telephone


def _line(spec: TopologySpec, name: str) -> Iterator[Complaint]:
    place = ("telephone", name)
    if name not in spec.nodes:
        known = [node for node, its in spec.nodes.items() if its.modems]
        yield check.no_node(spec, place, name, known)
        return

    role, modems = ("nodes", name, "role"), ("nodes", name, "modems")
    node = spec.nodes[name]
    traits = TRAITS[node.role]
    if "modems" not in traits.takes:
        owners = check.only_for("modems", "{have} lines")
        problem = f"{owners}, and the role of {name} is {node.role}"
        suggestion = f"take its line out, or give {name} another role"
        yield Complaint(place, problem, suggestion, (role,))
    elif not traits.answers_calls and not node.modems:
        problem = f"{name} has a telephone line and no modem"
        yield Complaint(place, problem, f"give {name} modems: 1", (role, modems))


def _family(spec: TopologySpec, name: str) -> Iterator[Complaint]:
    wanted, known = spec.telephone[name].modem, modem_family.names()
    if wanted is None or strict_yaml.names_a_file(wanted) or wanted in known:
        return
    problem = f"there is no family of modems {wanted!r}"
    suggestion = near(wanted, known) or f"known: {', '.join(known)}; or a file, ./{wanted}.yaml"
    yield Complaint(("telephone", name, "modem"), problem, suggestion)


def _tables(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether the exchange's result codes are some modem's."""
    if spec.exchange is None or spec.nodes[spec.exchange].result_codes is None:
        return
    if spec.telephone and all(line.modem for line in spec.telephone.values()):
        place = ("nodes", spec.exchange, "result_codes")
        problem = "each line's modems are of a family, which has result codes of its own"
        yield Complaint(place, problem, "take it out", (("telephone",),))


def _exchange(spec: TopologySpec) -> Iterator[Complaint]:
    dialling = [name for name, way in spec.ways.items() if way.dials]
    if spec.exchange is None and (spec.telephone or dialling):
        suggestion = f"add {check.free(spec, 'pstn')}: {{ role: {Role.exchange} }}"
        problem = f"there is no node with the role {Role.exchange}"
        needs = () if spec.telephone else (("ways", dialling[0]),)
        yield Complaint(("nodes",), problem, suggestion, needs)


def _line_names(spec: TopologySpec) -> Iterator[Complaint]:
    """A node may be called as a line of another: ``lig-1`` beside a ``lig`` with two modems."""
    owners: dict[str, str] = {}
    for name in spec.telephone:
        for line in line_names(spec, name):
            owner = owners.setdefault(line, name)
            if owner != name:
                problem = f"a line of {name} is called {line}, and so is one of {owner}"
                needs: tuple[Place, ...] = (("nodes", name, "modems"), ("nodes", owner, "modems"))
                yield Complaint(("telephone", name), problem, "give the node another name", needs)


def _numbers(spec: TopologySpec) -> Iterator[Complaint]:
    """One number, one subscriber; and the exchange must be able to tell when one is complete."""
    owners: dict[str, str] = {}
    for name, line in spec.telephone.items():
        owner = owners.setdefault(line.number, name)
        if owner != name:
            problem = f"{line.number} is the number of {owner}, too"
            suggestion = f"give {name} a number of its own, or {owner} more modems"
            yield _beside(name, owner, problem, suggestion)
    for name, line in spec.telephone.items():
        for start in (line.number[:length] for length in range(1, len(line.number))):
            if start in owners:
                problem = (
                    f"{line.number} begins with {start}, the number of {owners[start]}: "
                    "a call would go there"
                )
                yield _beside(name, owners[start], problem, "change one of the two")


def _beside(name: str, owner: str, problem: str, suggestion: str) -> Complaint:
    needs = (("telephone", owner, "number"),)
    return Complaint(("telephone", name, "number"), problem, suggestion, needs)


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether the LIG gets to the Internet, in a spec that has no other complaint."""
    if spec.lig is None:
        return

    net, place = check.network(spec), ("nodes", spec.lig)
    links = net.links_of(spec.lig)
    beside = [agent for agent in spec.agents if agent in net.zone(spec.lig)]
    if len(links) != 1:
        problem = f"a lig is on one link, towards the Internet; it is on {len(links)}"
        yield Complaint(place, problem)
    elif beside:
        problem = f"{spec.lig} is on the same side of the Internet as {beside[0]}"
        yield Complaint(place, problem, "give it a link with the Internet for itself")
    elif not net.uplinks(spec.lig):
        yield Complaint(place, f"{spec.lig} has no way to the Internet")
    elif spec.lig not in net.ways(next(iter(net.internet)), closed=check.site(spec)):
        yield Complaint(place, f"{spec.lig} gets to the Internet through {spec.firewall} only")
