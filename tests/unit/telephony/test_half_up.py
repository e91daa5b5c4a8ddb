"""A telephone that comes up half-way only: whatever fails, nothing of it stays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from lab.linux.nodes import Node
from lab.telephony.equipment import start_equipment
from lab.topology.telephone import ModemLine, ResultTable, Telephone
from tests.unit.sabotage import steps_that_fail
from tests.unit.telephony.cabinet import HereNode


def test_whatever_fails_on_the_way_up_nothing_is_left(tmp_path: Path) -> None:
    ports = tmp_path / "dev"
    ports.mkdir()
    lines = tuple(
        ModemLine(
            name=name,
            node=f"node-{name}",
            device=os.fspath(ports / name),
            number=number,
            rate_bit_s=33600,
            delay_s=0.0,
        )
        for name, number in (("a", "1000"), ("b", "1001"))
    )
    telephone = Telephone(node="pstn", lines=lines, result_table=ResultTable.hayes)
    nodes = cast(Mapping[str, Node], {line.node: HereNode() for line in lines})

    steps = steps_that_fail(lambda: start_equipment(telephone, nodes, tmp_path / "wire"))

    assert not list(ports.iterdir()), "a port that nobody serves"
    for step in ("openpty", "inotify_init", "inotify_add_watch", "rename", "eventfd"):
        assert step in steps
    assert steps.count("openpty") == len(lines)
    assert "Thread.start" in steps
