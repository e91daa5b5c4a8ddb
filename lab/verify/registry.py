"""The closed vocabulary: requirement to check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from lab import ways
from lab.names import check_known
from lab.verify import (
    consoles,
    customer_networks,
    encrypted,
    events_manager,
    invariants,
    management_module,
    order,
    outbound,
    own_connectivity,
    server_tls,
    source_nat,
    user_targets,
)
from lab.verify.finding import Judge, checks_in

COMMON: dict[str, Judge] = checks_in(
    order,
    invariants,
    server_tls,
    customer_networks,
    encrypted,
    management_module,
    own_connectivity,
    source_nat,
    consoles,
    user_targets,
    events_manager,
) | {
    "OUT-02": outbound.check_out_02,
    "OUT-04": outbound.check_out_04,
}
"""The checks of requirements that are about every way home, or about none; beside those of remote service."""

COMMON_WAY_HOME = frozenset({"OUT-03"})
"""Those of them that are judged by what must be there once a way home is up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A requirement of the vocabulary."""

    check: Judge
    kind: str
    """The kind of way that it is about; empty: any."""
    carried: str = ""
    """Of a kind that carries others: the kind of these that it is about; empty: any."""
    way_home: bool
    """Whether it is judged by what must be there once a way home of the kind is up."""
    always: bool
    """Whether it is judged also in a run in which ways of another kind were used."""
    at_end: bool
    """Whether it is judged by trials after the calls home, by the way that is then in use."""


@cache
def vocabulary() -> dict[str, Requirement]:
    """Every requirement that can be judged."""
    parts = [_common(), _of_remote_service(), *map(_of_kind, ways.kinds())]
    found: dict[str, Requirement] = {}
    for part in parts:
        twice = found.keys() & part.keys()
        assert not twice, f"{', '.join(sorted(twice))} is there already"
        found |= part
    return found


def find(requirement: str, kinds: Iterable[str] = ()) -> Requirement:
    """A requirement's entry; an unknown one raises UsageError with what was perhaps meant.

    What is about none of ``kinds`` of ways, or about remote service, is imported only if it is asked for.
    """
    for part in (_common(), *map(_of_kind, kinds)):
        if requirement in part:
            return part[requirement]
    known = vocabulary()
    check_known("requirement", requirement, known)
    return known[requirement]


def _of_none(checks: Mapping[str, Judge]) -> dict[str, Requirement]:
    """Requirements that are about no kind of way."""
    return {
        name: Requirement(
            check=check, kind="", way_home=name in COMMON_WAY_HOME, always=True, at_end=False
        )
        for name, check in checks.items()
    }


@cache
def _common() -> dict[str, Requirement]:
    return _of_none(COMMON)


@cache
def _of_remote_service() -> dict[str, Requirement]:
    from lab.verify import service_findings

    return _of_none(service_findings.CHECKS)


@cache
def _of_kind(kind: str) -> dict[str, Requirement]:
    findings = ways.stage(kind, "findings")
    return {
        name: Requirement(
            check=check,
            kind=kind,
            carried=getattr(findings, "CARRIED", {}).get(name, ""),
            way_home=name in findings.WAY_HOME,
            always=name in findings.ALWAYS,
            at_end=name in findings.AT_END,
        )
        for name, check in findings.CHECKS.items()
    }
