"""What covers a requirement: the check, the topologies and lives that put it to the test, and tests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from lab.coverage.inventory import PaperRequirement, Sort
from lab.topology.load import load, names

_ID = re.compile(r"\b(?:OUT|[A-Z])-\d{2}\b|\bg[1-6]\b")
_NAMED = re.compile(r"check_([a-z]+)_(\d{2})\b")
_TESTS = Path(__file__).resolve().parents[2] / "tests"
"""In a checkout; an installed package has no tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Covering:
    """What puts a requirement to the test."""

    check: str
    """``lab.ways.vpn.ike.check_p_01``; of what no check judges, the command that shows it."""
    topologies: tuple[str, ...]
    lives: tuple[str, ...]
    """Scripts of ``lab life``, each of which is judged by all that a life can be."""
    tests: tuple[str, ...]
    """Modules of tests that name it; none where the tests are not installed."""

    def judges(self, requirement: PaperRequirement) -> bool:
        """Whether some run can show it: of a row of addresses, if a topology has servers of it."""
        if requirement.sort is Sort.life:
            return bool(self.check and self.lives)
        return bool(self.check and self.topologies)


def of(requirement: PaperRequirement) -> Covering:
    """What covers a requirement."""
    lived = requirement.id in _life_checks()
    return Covering(
        check=_check(requirement),
        topologies=_topologies().get(requirement.id, ()),
        lives=_lives() if lived else (),
        tests=_tests().get(requirement.id, ()),
    )


def _check(requirement: PaperRequirement) -> str:
    if requirement.sort is Sort.run:
        from lab.verify.registry import vocabulary

        check = vocabulary()[requirement.id].check
        return f"{check.__module__}.{check.__name__}"
    if requirement.sort is Sort.life:
        found = _life_checks().get(requirement.id)
        return found or ""
    return {
        Sort.address: "rows of the servers' ledger",
        Sort.refusal: "a topology that has it is refused",
        Sort.version: "lab explain PROFILE --against PROFILE",
        Sort.choice: "lab explain PROFILE",
    }[requirement.sort]


@cache
def _life_checks() -> dict[str, str]:
    from lab.life import judging

    return {n: f"{c.__module__}.{c.__name__}" for n, c in judging.CHECKS.items()}


@cache
def _lives() -> tuple[str, ...]:
    folder = resources.files("lab").joinpath("data", "lives")
    return tuple(sorted(each.name.removesuffix(".yaml") for each in folder.iterdir()))


@cache
def _topologies() -> dict[str, tuple[str, ...]]:
    """By requirement: the bundled topologies that expect it, or whose servers an address row lists."""
    from lab.topology.resolve import resolve

    found: dict[str, list[str]] = {}
    for name in names():
        model = resolve(load(name), b"")
        rows = {row for end in model.endpoints for row in end.row.replace(",", " ").split()}
        for requirement in (*model.expect, *sorted(rows)):
            found.setdefault(requirement, []).append(name)
    return {requirement: tuple(dict.fromkeys(own)) for requirement, own in found.items()}


@cache
def _tests() -> dict[str, tuple[str, ...]]:
    """By requirement: the test modules that name it."""
    found: dict[str, set[str]] = {}
    for path in sorted(_TESTS.rglob("*.py")) if _TESTS.is_dir() else ():
        text = path.read_text(encoding="utf-8", errors="replace")
        for name in _named(text):
            found.setdefault(name, set()).add(path.relative_to(_TESTS.parent).as_posix())
    return {name: tuple(sorted(own)) for name, own in found.items()}


def _named(text: str) -> Iterable[str]:
    return {*_ID.findall(text), *(f"{g.upper()}-{n}" for g, n in _NAMED.findall(text))}
