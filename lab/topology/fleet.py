"""Machines that a file names once, with their ``count``: ``hmc`` with 200 is ``hmc-1`` to ``hmc-200``.

``expand`` makes them nodes like all others when a file is read. That they belong together is told again
only where people look: in pictures, lists and messages. Plain data, which the guest reads, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.topology.model import Interface, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Nodes that differ in their names and addresses only."""

    name: str
    """What the file calls all of them; no node has this name."""
    members: tuple[str, ...]

    @property
    def span(self) -> str:
        """``hmc-1 to hmc-200``."""
        first, last = self.members[0], self.members[-1]
        return f"{first} to {last}" if first != last else first

    @property
    def title(self) -> str:
        """``200 x hmc``."""
        return f"{len(self.members)} x {self.name}"


def members(name: str, count: int) -> tuple[str, ...]:
    """The nodes that a name with a count stands for."""
    return tuple(f"{name}-{number}" for number in range(1, count + 1))


def title(topology: Topology, node: str) -> str:
    """What pictures call a node: ``200 x hmc`` of the member that stands for its fleet."""
    own = (fleet for fleet in topology.fleets if fleet.members[0] == node)
    return next((fleet.title for fleet in own if len(fleet.members) > 1), node)


def span(topology: Topology, node: str) -> str:
    """Whom such a member stands for: ``hmc-1 to hmc-200``; empty of any other node."""
    own = (fleet for fleet in topology.fleets if fleet.members[0] == node)
    return next((fleet.span for fleet in own if len(fleet.members) > 1), "")


def folded(topology: Topology) -> Topology:
    """A topology for pictures: of each fleet the first member alone is left, and stands for those like it.

    The addresses of this one are texts for people: ``192.168.8.10 to 192.168.8.209/22``.
    """
    alike = tuple(_alike(topology, fleet) for fleet in topology.fleets)
    hidden = {member for fleet in alike for member in fleet.members[1:]}
    if not hidden:
        return replace(topology, fleets=())
    last = {fleet.members[0]: topology.node(fleet.members[-1]) for fleet in alike}
    nodes = {node.name: node for node in topology.nodes if node.name not in hidden}
    spans: dict[str, str] = {}
    for name, end in last.items():
        pairs = zip(nodes[name].interfaces, end.interfaces, strict=False)
        interfaces = tuple(_spanning(own, other) for own, other in pairs)
        spans |= dict(
            zip((i.ip for i in nodes[name].interfaces), (i.ip for i in interfaces), strict=True)
        )
        nodes[name] = replace(nodes[name], interfaces=interfaces)
    gone = {ip for n in topology.nodes if n.name in hidden for i in n.interfaces for ip in i.ips}
    wall = topology.firewall
    if wall is not None:
        rules = (
            replace(r, source=spans.get(r.source, r.source))
            for r in wall.rules
            if r.source not in gone
        )
        wall = replace(wall, rules=tuple(rules))
    return replace(
        topology,
        nodes=tuple(nodes.values()),
        callers=tuple(each for each in topology.callers if each.name not in hidden),
        ways=tuple(
            replace(way, agents=tuple(a for a in way.agents if a not in hidden))
            for way in topology.ways
        ),
        firewall=wall,
        fleets=alike,
    )


def _alike(topology: Topology, fleet: Fleet) -> Fleet:
    """The members that differ from the first in name and address only: with the same wires and ways, and
    without a telephone line, which has a number."""

    def what(name: str) -> tuple[object, ...]:
        wires = tuple(plug.segment for plug in topology.node(name).interfaces)
        return wires, topology.ways_of(name), topology.lines_of(name)

    own = what(fleet.members[0])
    return replace(fleet, members=tuple(name for name in fleet.members if what(name) == own))


def _spanning(first: Interface, last: Interface) -> Interface:
    """A plug with the addresses from that of a fleet's first member to that of the last."""

    def both(one: str, other: str) -> str:
        return f"{one.partition('/')[0]} to {other}" if one != other else one

    return replace(
        first,
        address=both(first.address, last.address),
        address6=both(first.address6, last.address6),
    )
