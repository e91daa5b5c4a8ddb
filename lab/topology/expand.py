"""From nodes with a ``count`` to as many nodes, once a file's own values are known to be sound. Pure.

What a file says of the common name holds of every member, and addresses are counted up from the one that is
given. What a file says of a member by the member's own name comes first.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from lab.topology import fleet
from lab.topology.check import Complaint
from lab.topology.fleet import Fleet
from lab.topology.roles import TRAITS
from lab.topology.spec import MAX_NODES, LinkSpec, TopologySpec
from lab.topology.strict_yaml import Place
from lab.topology.values import MAX_NODE_NAME, POINT_TO_POINT

T = TypeVar("T")


def fleets(spec: TopologySpec) -> dict[str, Fleet]:
    """The nodes of a file that stand for several, by their common name."""
    return {
        name: Fleet(name=name, members=fleet.members(name, node.count))
        for name, node in spec.nodes.items()
        if node.count is not None and "count" in TRAITS[node.role].takes
    }


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """Why a file's nodes cannot be taken apart; the file's single values are well-formed."""
    found = fleets(spec)
    total = len(spec.nodes) + sum(len(its.members) - 1 for its in found.values())
    if found and total > MAX_NODES:
        problem = f"there are {total} nodes, and a topology has {MAX_NODES} at most"
        yield Complaint(("nodes",), problem, "take a smaller count")
        return
    for name, its in found.items():
        place: Place = ("nodes", name, "count")
        last = its.members[-1]
        if len(last) > MAX_NODE_NAME:
            problem = (
                f"{last} is longer than {MAX_NODE_NAME} characters, which a node's name may have"
            )
            yield Complaint(place, problem, f"give {name} a shorter name")
        for other in (each for each in spec.nodes if each in its.members):
            problem = f"the name is taken: {name} with a count of {len(its.members)} is {its.span}"
            yield Complaint(("nodes", other), problem, "take another name", (place,))
        for link in (link for link in spec.links if name in spec.links[link].nodes):
            yield from _addresses(link, spec.links[link], its)


def _addresses(name: str, link: LinkSpec, its: Fleet) -> Iterator[Complaint]:
    """Whether the addresses that are counted up from the first one are hosts' in the link's subnet."""
    first = link.nodes[its.name]
    subnet = ipaddress.ip_network(link.subnet)
    if first is None or (start := ipaddress.ip_address(first)) not in subnet:
        return
    end = int(subnet[-1]) - (0 if subnet.prefixlen == POINT_TO_POINT else 1)
    if int(start) + len(its.members) - 1 > end:
        room = max(0, end - int(start) + 1)
        place: Place = ("links", name, "nodes", its.name)
        problem = (
            f"{its.span} need {len(its.members)} addresses, and {subnet} has {room} from {start} on"
        )
        fix = "take a shorter prefix, a lower address or a smaller count"
        yield Complaint(place, problem, fix, (("links", name, "subnet"), ("nodes", its.name)))


def expanded(spec: TopologySpec) -> TopologySpec:
    """The topology with every member a node of its own; ``complaints`` has none."""
    found = fleets(spec)
    if not found:
        return spec
    single = {"count": None}
    nodes = {
        name: node.model_copy(update=single) if name in found else node
        for name, node in spec.nodes.items()
    }
    links = {name: _link(link, found) for name, link in spec.links.items()}
    update = {
        "nodes": _each(nodes, found),
        "links": links,
        "agents": _each(spec.agents, found),
    }
    whole = spec.model_copy(update=update)
    whole.keep_fleets(found.values())
    return whole


def _link(link: LinkSpec, found: Mapping[str, Fleet]) -> LinkSpec:
    return link.model_copy(
        update={
            "nodes": _each(link.nodes, found, _later),
            "nodes6": _each(link.nodes6, found, _later),
            "rates": _each(link.rates, found),
        }
    )


def _same(value: T, number: int) -> T:
    return value


def _later(address: str | None, number: int) -> str | None:
    """The address so many after another one; an empty one is allocated for each member."""
    return None if address is None else str(ipaddress.ip_address(address) + number)


def _each(
    given: Mapping[str, T], found: Mapping[str, Fleet], nth: Callable[[T, int], T] = _same
) -> dict[str, T]:
    """A mapping of nodes, with each member in the place of the common name."""
    result: dict[str, T] = {}
    for name, value in given.items():
        if (its := found.get(name)) is None:
            result[name] = value
            continue
        for number, member in enumerate(its.members):
            result[member] = given[member] if member in given else nth(value, number)
    return result


# -- what is wrong with members, told of the common name --------------------------------------------


def of_file(
    spec: TopologySpec, written: Iterable[Place], found: Iterable[Complaint]
) -> Iterator[Complaint]:
    """Complaints of nodes as complaints of what the file says: what is wrong with all members is told once.

    ``written``: the places that the file has.
    """
    if not spec.fleets:
        yield from found
        return
    known = set(written)
    owners = {member: its.name for its in spec.fleets for member in its.members}
    names = re.compile("|".join(rf"\b{its.name}-[0-9]+\b" for its in spec.fleets))
    groups: dict[tuple[Place, str, str], list[Complaint]] = {}
    for complaint in found:
        place = complaint.place
        if place not in known:
            place = tuple(
                owners.get(part, part) if isinstance(part, str) else part for part in place
            )

        def common(text: str) -> str:
            return names.sub(lambda match: owners.get(match[0], match[0]), text)

        key = place, common(complaint.problem), common(complaint.suggestion)
        groups.setdefault(key, []).append(complaint)
    for (place, problem, suggestion), same in groups.items():
        one = same[0]
        words = (problem, suggestion) if len(same) > 1 else (one.problem, one.suggestion)
        needs = tuple(
            tuple(owners.get(part, part) if isinstance(part, str) else part for part in each)
            for each in one.needs
        )
        yield Complaint(place, *words, needs)
