"""Where the nodes and wires of a topology's picture are: rows from the agent to IBM. Numbers only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from lab.topology import route_map
from lab.topology.model import NodePlan, Topology
from lab.topology.roles import Zone
from lab.topology.route_map import TELEPHONE, RouteMap

WIDTH, HEIGHT = 196, 64
"""Of a node's box, in pixels."""
GAP = 26
"""Between two boxes, and around them."""
LEFT = 76
"""For the names of zones."""
LANE = 30
"""Of a wire in the gap between two rows."""
LABEL = 130
"""Of what stands beside a wire."""
_SIDE = 16
APART = 12
"""Between lines of two wires that go up or down side by side."""


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """One wire, as an SVG path."""

    name: str
    """The segment's; empty of a telephone line."""
    path: str
    style: str
    """``way``, ``down`` or nothing."""
    label_x: float
    label_y: float


@dataclass(slots=True)
class _GridWire:
    name: str
    members: list[str]
    style: str
    lane: int = 0


class NodeGrid:
    """The places of everything in a picture.

    ``states``: way to the style of its lines: ``way`` where it was up, ``down`` where it did not come up.
    """

    def __init__(self, topology: Topology, states: Mapping[str, str]) -> None:
        self._topology = topology
        self._route = route_map.trace(topology, topology.own_ways)
        ranks = _ranks(topology, self._route)
        self._rows: list[list[NodePlan]] = _rows(topology, ranks)
        self._row_of = {node.name: n for n, row in enumerate(self._rows) for node in row}
        self._wires = self._made_wires(states)
        widest = max(len(row) for row in self._rows)
        self._inner = widest * (WIDTH + GAP) - GAP
        self._put_lanes()
        self._tops = self._made_tops()
        self.places: dict[str, tuple[float, float]] = self._made_places()
        """Node to the upper left corner of its box."""
        self._sides = 0
        self.lines = self._made_lines()
        self.width = int(
            max(
                LEFT + self._inner + GAP + self._sides * _SIDE,
                *(line.label_x + LABEL for line in self.lines if line.name),
            )
        )
        self.height = int(self._tops[-1] + HEIGHT + self._below(len(self._rows) - 1) + GAP)

    @property
    def zones(self) -> list[tuple[float, str]]:
        """Where a zone begins, and what it is called."""
        found, last = [], ""
        for top, row in zip(self._tops, self._rows, strict=True):
            names = dict.fromkeys(str(self._route.zones[node.name]) for node in row)
            told = ", ".join(names)
            if told != last:
                found.append((top, told))
            last = told
        return found

    # -- rows ---------------------------------------------------------------------------------

    def _made_wires(self, states: Mapping[str, str]) -> list[_GridWire]:
        plugs = _styles(self._topology, states)
        wires = []
        for segment in self._topology.segments:
            members = [node.name for node in self._topology.members(segment.name)]
            wires.append(_GridWire(segment.name, members, plugs.get(segment.name, "")))
        telephone = self._topology.telephone
        if telephone is not None:
            for name in dict.fromkeys(line.node for line in telephone.lines):
                style = plugs.get(f"{TELEPHONE} {name}", "")
                wires.append(_GridWire("", [telephone.node, name], style))
        return [wire for wire in wires if wire.members]

    def _put_lanes(self) -> None:
        """Each wire below its first row, in a lane of its own there."""
        used: dict[int, int] = defaultdict(int)
        for wire in self._wires:
            row = self._upper(wire)
            wire.lane = used[row]
            used[row] += 1
        self._lanes = used

    def _upper(self, wire: _GridWire) -> int:
        return min(self._row_of[name] for name in wire.members)

    def _below(self, row: int) -> int:
        """Pixels between a row and the next one."""
        lanes = self._lanes.get(row, 0)
        return GAP + lanes * LANE if lanes else 0

    def _made_tops(self) -> list[float]:
        tops, y = [], float(GAP) / 2
        for n in range(len(self._rows)):
            tops.append(y)
            y += HEIGHT + max(GAP, self._below(n))
        return tops

    def _made_places(self) -> dict[str, tuple[float, float]]:
        found = {}
        for top, row in zip(self._tops, self._rows, strict=True):
            own = len(row) * (WIDTH + GAP) - GAP
            x = LEFT + (self._inner - own) / 2
            for node in row:
                found[node.name] = (x, top)
                x += WIDTH + GAP
        return found

    # -- wires --------------------------------------------------------------------------------

    def _made_lines(self) -> list[DrawnLine]:
        plugs: dict[tuple[str, bool], list[int]] = defaultdict(list)
        for number, wire in enumerate(self._wires):
            upper = self._upper(wire)
            for name in wire.members:
                plugs[name, self._row_of[name] <= upper].append(number)
        lines = []
        verticals: list[tuple[int, float, float, float]] = []
        for number, wire in enumerate(self._wires):
            upper = self._upper(wire)
            y = self._tops[upper] + HEIGHT + GAP / 2 + wire.lane * LANE + LANE / 2
            ends, parts = [], []
            for name in wire.members:
                below = self._row_of[name] <= upper
                own = plugs[name, below]
                left, top = self.places[name]
                x = left + WIDTH * (own.index(number) + 1) / (len(own) + 1)
                first, last = (top + HEIGHT, y) if below else (y, top)
                x = _beside_others(x, left, first, last, [o for n, *o in verticals if n != number])
                if below:
                    parts.append(f"M{x:.0f} {top + HEIGHT:.0f}V{y:.0f}")
                    ends.append(x)
                    verticals.append((number, x, first, last))
                elif self._is_free(x, upper + 1, self._row_of[name]):
                    parts.append(f"M{x:.0f} {y:.0f}V{top:.0f}")
                    ends.append(x)
                    verticals.append((number, x, first, last))
                else:
                    self._sides += 1
                    side = LEFT + self._inner + self._sides * _SIDE
                    parts.append(f"M{side:.0f} {y:.0f}V{top - 9:.0f}H{x:.0f}V{top:.0f}")
                    ends.append(side)
            if max(ends) > min(ends):
                parts.append(f"M{min(ends):.0f} {y:.0f}H{max(ends):.0f}")
            label = max(ends) + 8
            lines.append(DrawnLine(wire.name, "".join(parts), wire.style, label, y + 4))
        return lines

    def _is_free(self, x: float, first: int, end: int) -> bool:
        """Whether no box of these rows is in the way of a line straight down."""
        return not any(
            self.places[node.name][0] - 4 <= x <= self.places[node.name][0] + WIDTH + 4
            for row in self._rows[first:end]
            for node in row
        )


def _beside_others(
    x: float, left: float, first: float, last: float, others: list[list[float]]
) -> float:
    """Where a line goes up or down at a box, so that none of another wire lies under it."""
    at = x
    while any(abs(at - o) < APART and first < end and begin < last for o, begin, end in others):
        at += APART
        if at > left + WIDTH - APART / 2:
            return x
    return at


def _ranks(topology: Topology, route: RouteMap) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, stop in enumerate(route.stops):
        for node in stop.nodes:
            found.setdefault(node.name, number)
    for node in topology.nodes:
        if node.name not in found:
            found[node.name] = _beside(topology, route, node, found)
    return found


def _beside(topology: Topology, route: RouteMap, node: NodePlan, known: Mapping[str, int]) -> int:
    """The row of a node that is on no way: above its neighbours on the customer's side, or the last."""
    near = [
        known[other.name]
        for interface in node.interfaces
        for other in topology.members(interface.segment)
        if other.name in known
    ]
    if route.zones[node.name] is Zone.customer:
        return min(near, default=0) - 1
    return max(near, default=len(route.stops) - 1)


def _rows(topology: Topology, ranks: Mapping[str, int]) -> list[list[NodePlan]]:
    rows: dict[int, list[NodePlan]] = defaultdict(list)
    for node in topology.nodes:
        rows[ranks[node.name]].append(node)
    return [rows[rank] for rank in sorted(rows)]


def _styles(topology: Topology, states: Mapping[str, str]) -> dict[str, str]:
    """Segment, or the telephone and a node, to the style of the ways that go over it."""
    found: dict[str, str] = {}
    # A way that was up has the last word.
    for style in ("down", "way"):
        ways = [way for way in topology.own_ways if states.get(way.name) == style]
        for link, node in route_map.trace(topology, ways).plugs if ways else ():
            found[f"{TELEPHONE} {node}" if link == TELEPHONE else link] = style
    return found
