"""Every key of every topology left out, emptied or of a wrong kind: looking for mistakes comes to an end."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import yaml

from lab.errors import LabError
from lab.topology import load
from lab.topology.strict_yaml import Place

NAMED = ("nodes", "links", "ways", "agents", "telephone", "consoles", "user_targets")
LEFT_OUT = object()


def places(part: Any, at: Place = ()) -> Iterator[Place]:
    entries = (
        part.items()
        if isinstance(part, dict)
        else enumerate(part)
        if isinstance(part, list)
        else ()
    )
    for key, value in entries:
        yield (*at, key)
        yield from places(value, (*at, key))


def kind(data: Any, place: Place) -> Place:
    """The same of all nodes, of all links, of all ways of a kind."""
    named = place[:1] if place[0] in NAMED and len(place) > 1 else ()
    of = data["ways"][place[1]]["kind"] if named == ("ways",) else "*"
    rest = tuple("*" if isinstance(part, int) else part for part in place)
    told = (*named, of, *rest[2:]) if named else rest
    return (*told[:3], *("*" for _ in told[3:])) if told[:1] == ("links",) else told


def each_kind() -> dict[Place, tuple[str, Place]]:
    found: dict[Place, tuple[str, Place]] = {}
    for name in load.names():
        data = yaml.safe_load((load.folder() / f"{name}.yaml").read_text(encoding="utf-8"))
        for place in places(data):
            found.setdefault(kind(data, place), (name, place))
    return found


KINDS = each_kind()


@pytest.mark.parametrize(
    ("name", "place"), KINDS.values(), ids=["-".join(map(str, k)) for k in KINDS]
)
def test_what_is_broken_is_mended_or_told(
    name: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mend = load._mend

    def mends(document: Any, errors: Any) -> None:
        before = repr(document.data)
        mend(document, errors)
        assert repr(document.data) != before, (
            f"{document.broken} is broken still, and what else is, is not told"
        )

    monkeypatch.setattr(load, "_mend", mends)
    whole = yaml.safe_load((load.folder() / f"{name}.yaml").read_text(encoding="utf-8"))
    for value in (LEFT_OUT, None, [], {}, {"x": {}}, "", -1):
        data = copy.deepcopy(whole)
        above = data
        for part in place[:-1]:
            above = above[part]
        if value is LEFT_OUT:
            above.pop(place[-1])
        else:
            above[place[-1]] = value
        with suppress(LabError):
            load.parse(yaml.safe_dump(data, sort_keys=False), f"{name}.yaml")


def test_the_kinds_of_keys_are_there() -> None:
    assert {("events", "registers"), ("schedule", "over"), ("user_targets", "*", "from")} <= {
        *KINDS
    }
