"""In what two runs differ, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from lab.compare.traits import Group, RunTraits

ABOUT = ("set-up", "findings", "ways", "addresses", "protocols", "order", "timing")
"""What differences are about, in the order of telling."""
CLASS_S = 5.0
"""Durations that differ by less are alike: so much may hang on how busy the machine is."""
CLASS_RATIO = 2.0
"""And so are those of which the longer one is less than so many times the shorter one."""
MOST = 6
"""Things of a list that are told by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDifference:
    """One thing in which two runs differ."""

    about: str
    """One of ``ABOUT``."""
    what: str
    first: str
    """How it is in the first run; ``not there`` if it is not."""
    second: str
    only: bool = False
    """Whether they are what one run has beside the other, which may be nothing."""

    @property
    def sentence(self) -> str:
        if not self.only:
            return f"{self.what}: {self.first} in the first run, {self.second} in the second"
        sides = (("first", self.first), ("second", self.second))
        told = (f"only in the {name} run: {text}" for name, text in sides if text)
        return f"{self.what}, {'; '.join(told)}"


def find(first: RunTraits, second: RunTraits) -> tuple[RunDifference, ...]:
    """All differences, in the order of ``ABOUT``."""
    found = [
        *_of_facts(first.facts, second.facts),
        *_of_sets(first.sets, second.sets),
        *_of_orders(first.orders, second.orders),
        *_of_durations(first.durations, second.durations),
    ]
    return tuple(sorted(found, key=lambda each: ABOUT.index(each.about)))


def _of_facts(first: dict[Group, str], second: dict[Group, str]) -> Iterator[RunDifference]:
    alike: dict[tuple[str, str, str], list[str]] = {}
    for group in _groups(first, second):
        one, other = (facts.get(group, "not there") for facts in (first, second))
        if one != other:
            alike.setdefault((group[0], one, other), []).append(group[1])
    for (about, one, other), names in alike.items():
        yield RunDifference(about=about, what=", ".join(names), first=one, second=other)


def _of_sets(
    first: dict[Group, frozenset[str]], second: dict[Group, frozenset[str]]
) -> Iterator[RunDifference]:
    for group in _groups(first, second):
        one, other = (sets.get(group, frozenset[str]()) for sets in (first, second))
        if one != other:
            yield RunDifference(
                about=group[0],
                what=group[1],
                first=_listed(sorted(one - other)),
                second=_listed(sorted(other - one)),
                only=True,
            )


def _of_orders(
    first: dict[Group, tuple[str, ...]], second: dict[Group, tuple[str, ...]]
) -> Iterator[RunDifference]:
    for group in _groups(first, second):
        one, other = (orders.get(group, ()) for orders in (first, second))
        if one == other:
            continue
        # Where the same things came in another order, their order is what differs.
        if sorted(one) == sorted(other):
            place = next(
                n for n, pair in enumerate(zip(one, other, strict=True)) if len({*pair}) > 1
            )
            yield RunDifference(
                about="order",
                what=f"{group[1]}, step {place + 1}",
                first=one[place],
                second=other[place],
            )
            continue
        gone, come = _edits(one, other)
        yield RunDifference(
            about=group[0], what=group[1], first=_listed(gone), second=_listed(come), only=True
        )


def _edits(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[list[str], list[str]]:
    gone: list[str] = []
    come: list[str] = []
    for tag, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag != "equal":
            gone += one[a:b]
            come += other[c:d]
    return gone, come


def _of_durations(first: dict[Group, float], second: dict[Group, float]) -> Iterator[RunDifference]:
    for group in _groups(first, second):
        one, other = first.get(group), second.get(group)
        # What is there in one run only, findings and ways tell.
        if one is not None and other is not None and not alike(one, other):
            yield RunDifference(
                about=group[0], what=group[1], first=f"{one:.1f} s", second=f"{other:.1f} s"
            )


def alike(one: float, other: float) -> bool:
    """Whether two durations are of one class."""
    short, long = sorted((one, other))
    return long - short < CLASS_S or long < CLASS_RATIO * short


def _groups(first: Mapping[Group, object], second: Mapping[Group, object]) -> list[Group]:
    return list(dict.fromkeys([*first, *second]))


def _listed(names: list[str]) -> str:
    shown = "; ".join(names[:MOST])
    return f"{shown}; and {len(names) - MOST} more" if len(names) > MOST else shown
