"""g6: what is left in the nodes when a lab goes down."""

from __future__ import annotations

import pytest

from lab.inside import leftovers
from lab.topology.load import load
from lab.topology.model import Topology
from lab.topology.resolve import resolve

PPPD = "hmc: process 38"


@pytest.fixture(scope="module")
def topology() -> Topology:
    return resolve(load("direct"), bytes(32))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What one look after the other finds; the last one, from then on."""
    found: list[list[str]] = []

    def look(*_: object) -> list[str]:
        return list(found.pop(0) if len(found) > 1 else found[0])

    monkeypatch.setattr(leftovers, "_look", look)
    return found


def test_what_is_about_to_end_is_not_left_over(looks: list[list[str]], topology: Topology) -> None:
    looks += [[PPPD, "hmc: link ppp0"], [PPPD], []]
    assert leftovers.in_nodes(topology, {}) == []


def test_what_stays_is_told_as_it_is_at_the_end(
    looks: list[list[str]],
    topology: Topology,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leftovers, "PATIENCE_S", 0.1)
    looks += [[PPPD, "hmc: link ppp0"], [PPPD]]
    assert leftovers.in_nodes(topology, {}) == [PPPD]
