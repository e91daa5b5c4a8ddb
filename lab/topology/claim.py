"""A claim of the papers, and all of them: the closed vocabulary of ``expect``."""

from __future__ import annotations

import importlib
from functools import cache
from typing import NamedTuple

from lab import ways

GROUPS = ("OUT", "P", "L", "F", "R", "g")


class Claim(NamedTuple):
    """What a requirement says, and where the papers say it."""

    text: str
    source: str


@cache
def claims() -> dict[str, Claim]:
    """Every requirement that can be judged, by ID, in the order of the papers' groups."""
    found: dict[str, Claim] = dict(importlib.import_module("lab.topology.claims").CLAIMS)
    for kind in ways.kinds():
        found |= ways.stage(kind, "claims").CLAIMS
    return dict(sorted(found.items(), key=lambda item: _rank(item[0])))


def _rank(requirement: str) -> tuple[int, str, int]:
    """By group, then by number; groups that other packages bring come last."""
    group = requirement.rstrip("0123456789")
    number = requirement.removeprefix(group)
    name = group.rstrip("-")
    place = GROUPS.index(name) if name in GROUPS else len(GROUPS)
    return place, name, int(number or 0)
