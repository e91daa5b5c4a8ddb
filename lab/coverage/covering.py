"""What covers a requirement: the check, the topologies and lives that put it to the test, and tests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from lab.coverage.inventory import PaperRequirement, Sort, inbound_rows, inventory
from lab.names import all_of
from lab.topology import catalogue
from lab.topology.catalogue import RowKind
from lab.topology.load import load, names
from lab.topology.model import Topology
from lab.topology.servers import FTPS_PORT

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
        if requirement.by:
            known = inventory()
            return all(of(known[name]).judges(known[name]) for name in requirement.by)
        if requirement.sort is Sort.life:
            return bool(self.check and self.lives)
        return bool(self.check and self.topologies)


def of(requirement: PaperRequirement) -> Covering:
    """What covers a requirement."""
    lived = {requirement.id, *requirement.by} & _life_checks().keys()
    named = [_topologies().get(name, ()) for name in (requirement.id, *requirement.by)]
    if requirement.within:
        named = [tuple(n for n in own if _is_within(n, requirement)) for own in named]
    if requirement.id in inbound_rows():
        named = [tuple(n for n in own if requirement.id in _rows_of_ports(n)) for own in named]
    return Covering(
        check=_check(requirement),
        topologies=tuple(dict.fromkeys(name for own in named for name in own)),
        lives=_lives() if lived else (),
        tests=_tests().get(requirement.id, ()),
    )


def _check(requirement: PaperRequirement) -> str:
    if requirement.by:
        return f"the findings of {all_of(requirement.by)}"
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
        Sort.former: "no server, no name and no rule of the lab's has one: a test of every topology",
        Sort.contradiction: "it is about the papers alone",
        Sort.product: "the lab has no such products and versions",
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
        for requirement in (*model.expect, *sorted(_rows_of_servers(model))):
            found.setdefault(requirement, []).append(name)
    return {requirement: tuple(dict.fromkeys(own)) for requirement, own in found.items()}


def _rows_of_servers(model: Topology) -> set[str]:
    """The rows whose servers the topology's agents are to use, as the servers' ledger names them."""
    used = {(end.address, end.port) for end in model.endpoints}
    found = {row for end in model.endpoints for row in end.row.replace(",", " ").split()}
    for row in catalogue.profile(model.profile).rows if model.profile in catalogue.names() else ():
        ports = {service.port for service in row.services}
        places = {(each.address, port) for each in row.addresses for port in ports}
        # Uploads by FTPS are beside the endpoints.
        if row.kind is RowKind.server and (
            places & used or ("OUT-43" in model.expect and FTPS_PORT in ports)
        ):
            found.add(row.id)
    return found


def _is_within(topology: str, requirement: PaperRequirement) -> bool:
    return bool({topology, load(topology).profile} & {*requirement.within})


@cache
def _rows_of_ports(topology: str) -> frozenset[str]:
    """The rows of ports for remote service that the profile of a bundled topology has."""
    return inbound_rows(load(topology).profile)


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
