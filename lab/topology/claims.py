"""The claims of the papers: the closed vocabulary of ``expect``.

Each is a line of a ``claims.tsv``: the requirement, what is claimed, and where the papers say so, separated
by tabs. The table beside this module has what is claimed of every way home, and each kind of way has a
table of its own in its package.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

from lab import ways

GROUPS = ("OUT", "E", "I", "P", "L", "M", "F", "R", "g")


class Claim(NamedTuple):
    """What a requirement says, and where the papers say it."""

    text: str
    source: str


@cache
def claims() -> dict[str, Claim]:
    """Every requirement that can be judged, by ID, in the order of the papers' groups."""
    found: dict[str, Claim] = {}
    for package in (__package__, *ways.packages().values()):
        table = resources.files(package).joinpath("claims.tsv").read_text(encoding="utf-8")
        for row in table.splitlines():
            requirement, text, source = row.split("\t")
            found[requirement] = Claim(text, source)
    return dict(sorted(found.items(), key=lambda item: _rank(item[0])))


def requirement_ids() -> tuple[str, ...]:
    """The vocabulary of ``expect``: every requirement that the lab can judge."""
    return tuple(claims())


def _rank(requirement: str) -> tuple[int, str, int]:
    """By group, then by number; groups that other packages bring come last."""
    group = requirement.rstrip("0123456789")
    number = requirement.removeprefix(group)
    name = group.rstrip("-")
    place = GROUPS.index(name) if name in GROUPS else len(GROUPS)
    return place, name, int(number or 0)
