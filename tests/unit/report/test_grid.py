"""Where wires are drawn: no line up or down lies on one of another wire, and no wire goes through a label."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.report import picture
from lab.report.grid import DrawnLine, NodeGrid
from lab.topology import fleet, load
from lab.topology.model import Topology
from lab.topology.resolve import resolve
from tests.models import model

SEED = bytes(32)
FOUR = Path(__file__).parents[2] / "data" / "topologies" / "four-consoles.yaml"


def verticals(line: DrawnLine) -> list[tuple[float, float, float]]:
    """Where a wire goes straight up or down: its x, and from where to where."""
    found, x, y = [], 0.0, 0.0
    for command, words in re.findall(r"([MHV])([^MHV]*)", line.path):
        numbers = [float(word) for word in words.split()]
        if command == "V":
            found.append((x, min(y, numbers[0]), max(y, numbers[0])))
            y = numbers[0]
        else:
            x = numbers[0]
            y = numbers[1] if command == "M" else y
    return found


def overlaps(topology: Topology) -> list[str]:
    grid = NodeGrid(fleet.folded(topology), {way.name: "way" for way in topology.own_ways})
    return [
        f"{a.name} and {b.name} at {x}"
        for a, b in combinations(grid.lines, 2)
        for x, first, last in verticals(a)
        for other, begin, end in verticals(b)
        if abs(x - other) < 4 and first < end and begin < last
    ]


@pytest.mark.parametrize("name", load.names())
def test_no_wire_lies_on_another(name: str) -> None:
    assert overlaps(model(name, SEED)) == []


def test_nor_with_two_systems_of_four_consoles() -> None:
    """Two boxes of one column, each with two wires between them."""
    assert overlaps(resolve(load.load(str(FOUR)), SEED)) == []


def test_all_wires_are_drawn_before_what_stands_beside_them() -> None:
    """Else a later wire goes through the words of an earlier one."""
    shown = resolve(load.load(str(FOUR)), SEED)
    made = picture.make(cast(Any, SimpleNamespace(topology=shown, case=None, vitals={})))

    assert made.count("<path") == len(shown.segments)
    assert made.rindex("<path") < made.index("svc-1: no frames</text>")
