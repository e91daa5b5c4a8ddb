"""In what two runs differ, in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TypeVar

from lab.compare import wires
from lab.compare.told import ToldThing
from lab.compare.traits import Group, RunTraits
from lab.compare.wires import WireTraits
from lab.names import all_of

K = TypeVar("K")

ABOUT = ("set-up", "findings", "ways", "addresses", "protocols", "events", "order", "timing")
"""What differences are about, in the order of telling."""
CLASS_S = 5.0
"""Durations that differ by less are alike: so much may hang on how busy the machine is."""
CLASS_RATIO = 2.0
"""And so are those of which the longer one is less than so many times the shorter one."""
_PORT = re.compile(r"\bTCP (\d+)")
MOST = 6
"""Messages of a conversation that are told by name."""
_ABSENT = {"findings": "did not apply", "ways": "none", "call home": "not made"}
"""What is said of a fact that a run does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDifference:
    """One thing in which two runs differ."""

    about: str
    """One of ``ABOUT``."""
    what: str
    first: str
    """How it is in the first run, A; of what one run has beside the other, all of it, or nothing."""
    second: str
    only: bool = False
    """Whether it is what one run has beside the other."""

    @property
    def sentence(self) -> str:
        if not self.only:
            return f"{self.what} {self.first} in A, and {self.second} in B"
        return f"only in A: {self.first}" if self.first else f"only in B: {self.second}"


def find(first: RunTraits, second: RunTraits) -> tuple[RunDifference, ...]:
    """All differences, in the order of ``ABOUT``; no sentence twice.

    What could not be read of a run is not told as what the other run has beside it.
    """
    if first.lacking or second.lacking:
        first, second = _read_of_both(first, second), _read_of_both(second, first)
    found = [
        *_of_facts(first.facts, second.facts),
        *_of_aspects(first.aspects, second.aspects),
        *_of_nodes(first.nodes, second.nodes),
        *_of_things(first.things, second.things),
        *_of_stories(first.tried, second.tried, "ways"),
        *_of_wires(first, second),
        *_of_stories(first.told, second.told, "events"),
        *_of_durations(first.durations, second.durations),
    ]
    once = {each.sentence: each for each in reversed(found)}
    kept = [each for each in found if once[each.sentence] is each]
    return tuple(sorted(kept, key=lambda each: ABOUT.index(each.about)))


def _read_of_both(run: RunTraits, other: RunTraits) -> RunTraits:
    """The traits of a run without those of a file that the other run has not."""
    abouts = {about for about, _ in other.facts}
    # Events say what of the packets is a trial of the lab's, and when the run itself was over.
    packets = other.wires.protocols and bool(run.told) == bool(other.told)
    return replace(
        run,
        facts={group: fact for group, fact in run.facts.items() if group[0] in abouts},
        nodes=run.nodes if other.nodes else {},
        things=run.things if other.things else {},
        tried=run.tried if other.tried else {},
        told=run.told if other.told else {},
        wires=run.wires if packets else WireTraits(),
    )


def _of_facts(first: dict[Group, str], second: dict[Group, str]) -> Iterator[RunDifference]:
    alike: dict[tuple[str, str, str], list[str]] = {}
    for group in _groups(first, second):
        absent = _ABSENT.get(group[1].rpartition(" of ")[0].rstrip(" 0123456789"), "")
        absent = absent or _ABSENT.get(group[0], "not known")
        one, other = (facts.get(group, absent) for facts in (first, second))
        if one != other:
            alike.setdefault((group[0], one, other), []).append(group[1])
    for (about, one, other), names in alike.items():
        # Requirements are so short that many of them make one sentence.
        for what in [", ".join(names)] if about == "findings" else names:
            yield RunDifference(about=about, what=what, first=one, second=other)


def _of_aspects(first: dict[Group, str], second: dict[Group, str]) -> Iterator[RunDifference]:
    for group in first:
        if first[group] != second.get(group, first[group]):
            yield RunDifference(
                about=group[0], what=group[1], first=first[group], second=second[group]
            )


def _of_nodes(
    first: dict[str, tuple[str, ...]], second: dict[str, tuple[str, ...]]
) -> Iterator[RunDifference]:
    for name in _groups(first, second):
        one, other = first.get(name), second.get(name)
        if one is None or other is None:
            addresses = one or other or ()
            text = [f"the node {name}{f', at {all_of(addresses)}' if addresses else ''}"]
            there = other is None
            yield from _only("addresses", name, text if there else [], [] if there else text)
            continue
        gone, come = [a for a in one if a not in other], [a for a in other if a not in one]
        if gone and come:
            yield RunDifference(
                about="addresses",
                what=f"the node {name} was at",
                first=all_of(gone),
                second=all_of(come),
            )
        else:
            more = ([f"{name}'s {_addresses(own)}"] if own else [] for own in (gone, come))
            yield from _only("addresses", name, *more)


def _of_things(first: dict[str, set[str]], second: dict[str, set[str]]) -> Iterator[RunDifference]:
    for about in _groups(first, second):
        one, other = (things.get(about, set[str]()) for things in (first, second))
        yield from _only(about, "", sorted(one - other), sorted(other - one))


def _addresses(addresses: list[str]) -> str:
    return f"address{'' if len(addresses) == 1 else 'es'} {all_of(addresses)}"


def _only(
    about: str, what: str, first: Iterable[str], second: Iterable[str]
) -> Iterator[RunDifference]:
    for text in first:
        yield RunDifference(about=about, what=what, first=text, second="", only=True)
    for text in second:
        yield RunDifference(about=about, what=what, first="", second=text, only=True)


# What nodes told, and what ends of a conversation said.


def _of_stories(
    first: Mapping[str, tuple[ToldThing, ...]],
    second: Mapping[str, tuple[ToldThing, ...]],
    about: str,
) -> Iterator[RunDifference]:
    for source in _groups(first, second):
        one, other = (stories.get(source, ()) for stories in (first, second))
        keys, others = [thing.key for thing in one], [thing.key for thing in other]
        if keys == others:
            continue
        what = f"what {source} told"
        if sorted(keys) == sorted(others):
            recaps = [[thing.recap for thing in story] for story in (one, other)]
            yield _of_order(what, *recaps)
            continue
        gone, come = _edits(one, other, lambda thing: thing.key)
        yield from _moved(what, one, other, gone, come)
        yield from _turned(about, gone, come)
        yield from _only(about, what, _counted(gone), _counted(come))


def _moved(
    what: str,
    one: Sequence[ToldThing],
    other: Sequence[ToldThing],
    gone: list[ToldThing],
    come: list[ToldThing],
) -> Iterator[RunDifference]:
    """What both runs have, at another place; it is taken out of both lists."""
    for thing in [*gone]:
        match = next((each for each in come if each.key == thing.key), None)
        if match is None:
            continue
        gone.remove(thing)
        come.remove(match)
        places = _place(one, thing), _place(other, match)
        # Beside what is told anyway, a place among things alike says nothing.
        if len({*places}) == 2:
            yield RunDifference(
                about="order", what=f"“{thing.recap}” came", first=places[0], second=places[1]
            )


def _place(story: Sequence[ToldThing], thing: ToldThing) -> str:
    at = next(n for n, each in enumerate(story) if each is thing)
    return f"after “{story[at - 1].recap}”" if at else "first"


def _turned(about: str, gone: list[ToldThing], come: list[ToldThing]) -> Iterator[RunDifference]:
    """How the same thing came out in both runs; it is taken out of both lists."""
    for thing in [*gone]:
        match = next((each for each in come if thing.is_same_thing(each)), None)
        if match is None:
            continue
        gone.remove(thing)
        come.remove(match)
        for what, how in thing.turns.items():
            one, other = how or "nothing", match.turns[what] or "nothing"
            if one != other:
                yield RunDifference(about=about, what=what, first=one, second=other)


def _counted(things: list[ToldThing]) -> Iterator[str]:
    ports: dict[str, list[str]] = {}
    for recap, times in Counter(thing.recap for thing in things).items():
        # What is told of one port after the other is told once.
        match = _PORT.search(recap) if times == 1 else None
        text = _PORT.sub("TCP {}", recap, count=1) if match else recap
        told = f"{text} ({times} times)" if times > 1 else text
        ports.setdefault(told, []).extend([match[1]] if match else [])
    for text, numbers in ports.items():
        yield text.replace("TCP {}", f"TCP {all_of(numbers)}", 1) if numbers else text


def _of_order(what: str, one: Sequence[str], other: Sequence[str]) -> RunDifference:
    """Where the same things came in another order: the first place at which they differ."""
    place = next(n for n, pair in enumerate(zip(one, other, strict=True)) if len({*pair}) > 1)
    if one.count(one[place]) == 1 and one.count(other[place]) == 1:
        return RunDifference(
            about="order", what=f"“{one[place]}” came", first=f"before “{other[place]}”", second="after it"
        )  # fmt: skip
    return RunDifference(
        about="order", what=f"{what}, at its step {place + 1}, was", first=one[place], second=other[place]
    )  # fmt: skip


def _edits(
    one: Sequence[ToldThing], other: Sequence[ToldThing], key: Callable[[ToldThing], object]
) -> tuple[list[ToldThing], list[ToldThing]]:
    gone: list[ToldThing] = []
    come: list[ToldThing] = []
    matcher = SequenceMatcher(None, [*map(key, one)], [*map(key, other)], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            gone += one[a:b]
            come += other[c:d]
    return gone, come


def _of_wires(first: RunTraits, second: RunTraits) -> Iterator[RunDifference]:
    for about, text in wires.beside(first.wires, second.wires):
        yield from _only(about, "packets", [text], [])
    for about, text in wires.beside(second.wires, first.wires):
        yield from _only(about, "packets", [], [text])
    for key, one in first.wires.said.items():
        other = second.wires.said.get(key, one)
        if one == other:
            continue
        what = f"what {key[1]} said to {key[2]} by {key[0]}"
        if sorted(one) == sorted(other):
            yield _of_order(what, one, other)
            continue
        gone, come = _edits([*map(ToldThing, one)], [*map(ToldThing, other)], lambda each: each.key)
        yield RunDifference(
            about="protocols",
            what=f"{what} had",
            first=_listed(gone),
            second=f"{_listed(come)} in its place",
        )


def _listed(things: list[ToldThing]) -> str:
    names = [thing.recap for thing in things]
    shown = "; ".join(names[:MOST]) or "nothing"
    return f"{shown}; and {len(names) - MOST} more" if len(names) > MOST else shown


def _of_durations(first: dict[str, float], second: dict[str, float]) -> Iterator[RunDifference]:
    for name in _groups(first, second):
        one, other = first.get(name), second.get(name)
        # What is there in one run only, findings and ways tell.
        if one is not None and other is not None and not alike(one, other):
            yield RunDifference(
                about="timing", what=f"{name} took", first=f"{one:.1f} s", second=f"{other:.1f} s"
            )


def alike(one: float, other: float) -> bool:
    """Whether two durations are of one class."""
    short, long = sorted((one, other))
    return long - short < CLASS_S or long < CLASS_RATIO * short


def _groups(first: Mapping[K, object], second: Mapping[K, object]) -> list[K]:
    return list(dict.fromkeys([*first, *second]))
