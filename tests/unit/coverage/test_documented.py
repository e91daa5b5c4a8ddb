"""The papers' IDs: all are in the program and on the page, and what no run shows is shown by a test."""

from __future__ import annotations

import pytest

from lab import codec
from lab.coverage import covering
from lab.coverage.inventory import PaperRequirement, Sort, inventory
from lab.topology import catalogue
from lab.topology.catalogue import RowKind
from lab.topology.claims import claims
from lab.topology.load import load, names
from lab.topology.resolve import resolve
from tests.unit.test_docs import _rows

LAST = {
    "OUT": 48, "E": 24, "I": 32, "P": 22, "L": 12, "M": 14, "F": 18, "R": 11, "A": 45, "G": 16, "V": 18,
    "X": 43, "Q": 21,
}  # fmt: skip
"""The last number of each group in the papers' inventory; the first is 1, and none is left out."""
ALL = {f"{group}-{n:02}" for group, last in LAST.items() for n in range(1, last + 1)} | {
    f"g{n}" for n in range(1, 7)
}


def row(each: PaperRequirement) -> list[str]:
    """A line of the page's second table."""
    how = covering.of(each).check if each.sort is not Sort.life else "lab life"
    return [each.id, each.text.replace("|", "/"), each.source, how]


def test_the_program_knows_every_id_of_the_papers_and_no_other() -> None:
    assert inventory().keys() == ALL


def test_the_page_has_every_id() -> None:
    claimed = [name for name, _, _ in _rows("docs/requirements.md", "ID")]
    others = _rows("docs/requirements.md", "other ID")
    assert {*claimed} | {name for name, *_ in others} == ALL
    assert others == [row(each) for each in inventory().values() if each.id not in claims()]


def test_what_decides_for_others_is_judged_by_itself() -> None:
    known = inventory()
    for each in known.values():
        assert each.text
        for name in each.by:
            assert known[name].sort in (Sort.run, Sort.life), f"{each.id} by {name}"
            assert not known[name].by
        if each.by:
            assert covering.of(each).judges(each), f"no topology and no life shows {each.id}"


@pytest.mark.parametrize("name", names())
def test_former_addresses_are_nowhere(name: str) -> None:
    """A-09 and A-10: in a profile that calls them disabled, no server, no name and no rule has one."""
    topology = resolve(load(name), b"")
    former = {a.address for a in catalogue.profile(topology.profile).addresses(RowKind.disabled)}
    text = codec.dump(topology)
    assert not {address for address in former if f'"{address}"' in text}
    assert "A-09" not in {row for end in topology.endpoints for row in end.row.split(", ")}


def test_some_topology_has_a_profile_with_former_addresses() -> None:
    known = inventory()
    assert known["A-09"].sort is known["A-10"].sort is Sort.former
    profiles = {load(name).profile for name in names()}
    rows = {row.id for profile in profiles for row in catalogue.profile(profile).rows}
    assert {"A-09", "A-10"} <= rows
