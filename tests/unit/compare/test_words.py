"""Each kind of event has words for a comparison of runs, which show all but what is drawn by lot."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest

from lab.compare import told
from lab.compare.differences import find
from lab.compare.told import ToldThing
from lab.compare.traits import RunTraits
from lab.record.event import Event
from lab.ways.vpn.events import L2tpUp
from tests.unit.test_event import KINDS, example, fields

COMPARED = [kind for kind in KINDS if not kind.elsewhere]


def words(event: Event) -> ToldThing:
    return told.in_other_words(type(event), {**vars(event), "kind": event.kind()})


def changed(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return tuple(map(changed, value))
    if isinstance(value, StrEnum):
        return [*type(value)][-1]
    return f"{value}x" if isinstance(value, str) else value + 7


def others(event: Event) -> Iterator[tuple[str, Event]]:
    """The event with one field changed, for each of its fields."""
    for name in fields(type(event)):
        yield name, dataclasses.replace(event, **{name: changed(getattr(event, name))})


@pytest.mark.parametrize("kind", COMPARED, ids=lambda kind: kind.kind())
class TestKind:
    def test_has_words_of_its_own(self, kind: type[Event]) -> None:
        event = example(kind)
        assert event.recap or event.turns, "it needs tells, recaps or aspects"
        for text in (event.recap, *event.turns, *event.turns.values()):
            assert not {"_", "{", "True", "False"} & {*text, *text.split()}
            assert "  " not in text
            assert kind.kind() not in text or "-" not in kind.kind()

    def test_shows_what_is_not_chance_and_nothing_that_is(self, kind: type[Event]) -> None:
        event = example(kind)
        # A detail completes some causes with a number, which is the same each time.
        shown = {
            name for name, other in others(event) if words(other) != words(event)
        } - {"detail"}  # fmt: skip
        assert shown == {*fields(kind)} - kind.chance
        # What two runs with the same thing differ in must show in what is compared then.
        if event.turns:
            turned = {name for name, other in others(event) if other.turns != event.turns}
            assert turned - {"detail"} == shown


def test_a_program_that_compares_knows_every_kind_of_the_lab() -> None:
    # In a process of its own: this one has imported all of them.
    words = "from lab.compare import told; print(*told.declared_kinds())"
    known = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True
    )
    assert {kind.kind() for kind in KINDS} <= {*known.stdout.split()}
    assert L2tpUp.elsewhere


def test_a_kind_of_somebody_elses_is_told_plainly() -> None:
    fields = {
        "time": 1.5, "source": "hmc", "kind": "line-taken", "carrier": "acme", "leased": True,
        "parts": ["a", "b"], "started": 7.0, "took": 0.4, "far_port": 40000, "near_port": 83, "why": None,
    }  # fmt: skip
    thing = told.in_other_words(None, fields)
    assert thing.recap == "hmc: line taken (carrier acme, leased yes, parts a, b, near port 83)"
    assert not thing.turns


def test_an_event_of_another_version_is_told_plainly() -> None:
    fields = {"time": 1.5, "source": "hmc", "kind": "way-up", "road": "vpn"}
    kind = told.declared_kinds()["way-up"]
    assert told.in_other_words(kind, fields).recap == "hmc: way up (road vpn)"


def story(*things: ToldThing) -> RunTraits:
    return RunTraits("", (), told={"hmc": things})


def test_the_same_thing_is_told_once_with_how_it_came_out() -> None:
    one = ToldThing("hmc fell", {"hmc fell for": "3 m", "hmc hit": "a stone"})
    other = ToldThing("hmc fell", {"hmc fell for": "4 m", "hmc hit": "a stone"})
    (difference,) = find(story(one), story(other))
    assert difference.sentence == "hmc fell for 3 m in A, and 4 m in B"


def test_what_came_at_another_place_is_in_both_runs() -> None:
    a, b, c, d = (ToldThing(each) for each in "abcd")
    told = [each.sentence for each in find(story(a, b, c), story(b, c, a, d))]
    assert told == ["only in B: d", "“a” came first in A, and after “c” in B"]
    assert [e.sentence for e in find(story(a, b), story(b, a))] == [
        "“a” came before “b” in A, and after it in B"
    ]
    assert [e.sentence for e in find(story(a, b, a), story(a, a, b))] == [
        "what hmc told, at its step 2, was b in A, and a in B"
    ]


def test_what_is_told_of_one_port_after_the_other_is_one_sentence() -> None:
    ports = [ToldThing(f"x tried TCP {port} of y") for port in (22, 80, 443)]
    again = [ToldThing("x came")] * 3
    told = [each.sentence for each in find(story(*ports, *again), story())]
    assert told == ["only in A: x tried TCP 22, 80 and 443 of y", "only in A: x came (3 times)"]
