"""The path through a topology, for those who draw it: what it touches, in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab import ways
from lab.topology.model import NodePlan, Segment, Topology, Way
from lab.topology.roles import TRAITS, Zone
from lab.topology.routing import Network
from lab.topology.telephone import ModemLine

TELEPHONE = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """A place on the path: the nodes there, and the segments or lines that lead on from them."""

    nodes: tuple[NodePlan, ...]
    onward: tuple[Segment, ...]
    """Several where the nodes stand on networks of their own."""
    lines: tuple[ModemLine, ...]


@dataclass(frozen=True, slots=True)
class RouteMap:
    """The path from the agents to sdc: its stops, and each plug that it uses (segment, node).

    A telephone line is a plug in the segment ``TELEPHONE``.
    """

    stops: tuple[Stop, ...]
    plugs: frozenset[tuple[str, str]]
    zones: dict[str, Zone]

    def tunnel_end(self, way: Way) -> int:
        """The number of the stop at which a way's tunnel ends; 0 without a tunnel."""
        ends = {*way.tunnel_ends}
        names = ({node.name for node in stop.nodes} for stop in self.stops)
        return next((number for number, here in enumerate(names) if ends & here), 0)

    def tunnel_start(self, way: Way) -> int:
        """The number of the stop at which it begins: not that of the agents, if another node lends it."""
        names = ({node.name for node in stop.nodes} for stop in self.stops)
        return next((number for number, here in enumerate(names) if way.tunnel_start in here), 0)

    def on_path(self, node: str) -> bool:
        return any(plug[1] == node for plug in self.plugs)

    def segment_on_path(self, segment: str) -> bool:
        return any(plug[0] == segment for plug in self.plugs)


def network_of(topology: Topology) -> Network:
    """Every node of a topology and the segments that it is plugged into."""
    return Network(
        {node.name: node.role for node in topology.nodes},
        {s.name: [n.name for n in topology.members(s.name)] for s in topology.segments},
    )


def trace(topology: Topology, drawn: Iterable[Way]) -> RouteMap:
    """Follow these ways of every agent, each to all of its far ends, such as a VPN's gateways."""
    network = network_of(topology)
    walks = [
        (agent, hops)
        for way in drawn
        for agent in way.agents
        for hops in ways.stage(way.kind, "picture").hops(topology, network, way, agent)
    ]
    plugs: set[tuple[str, str]] = set()
    steps: dict[int, dict[str, None]] = {}
    links: dict[int, dict[str, None]] = {}
    for start, hops in walks:
        here = start
        steps.setdefault(0, {})[here] = None
        for number, hop in enumerate(hops, 1):
            plugs |= {(hop.link, here), (hop.link, hop.neighbour)}
            links.setdefault(number - 1, {})[hop.link] = None
            steps.setdefault(number, {})[hop.neighbour] = None
            here = hop.neighbour

    stops = tuple(
        Stop(
            tuple(topology.node(name) for name in names),
            tuple(topology.segment(link) for link in links.get(number, ()) if link != TELEPHONE),
            _lines(topology, *names, *steps.get(number + 1, ())) if number in links else (),
        )
        for number, names in sorted(steps.items())
    )
    zones = {node.name: _zone(topology, network, node) for node in topology.nodes}
    return RouteMap(stops, frozenset(plugs), zones)


def _lines(topology: Topology, *ends: str) -> tuple[ModemLine, ...]:
    """The lines between the exchange and others; none if the exchange is not among the ends."""
    telephone = topology.telephone
    if telephone is None or telephone.node not in ends:
        return ()

    return tuple(line for line in telephone.lines if line.node in ends)


def _zone(topology: Topology, network: Network, node: NodePlan) -> Zone:
    if own := TRAITS[node.role].zone:
        return own
    return Zone.customer if network.zone(node.name) & set(topology.agents) else Zone.ibm
