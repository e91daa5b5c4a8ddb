"""Which failed findings only follow from what broke first. By steps and causes, never by sentences.

A finding follows if nothing but missing things speak against it (``Check.lack``), and each is of a step that
the cause of the failure had stopped before (``step``); if no call home came through by any way that the
requirement is about; and if all who tried such a way failed for the same cause. All else is told in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lab import ways
from lab.topology.model import Way
from lab.verify.beside import Stopped, stopped
from lab.verify.case import Case
from lab.verify.diagnosis import failed
from lab.verify.finding import Finding, Verdict
from lab.verify.registry import find
from lab.verify.step import Causes, Step


@dataclass(frozen=True, slots=True)
class _Broken:
    """Ways that led nobody home."""

    kind: str
    """That the requirement is about; empty: any."""
    ways: frozenset[str]
    steps: tuple[Step, ...]
    """For each of them, where it broke."""

    def stops(self, step: Step | None) -> bool:
        """Whether what a step brings cannot have come about."""
        return step is not None and all(each.rank <= step.rank for each in self.steps)


class SortedOut(NamedTuple):
    """Findings, and which of them broke first."""

    findings: tuple[Finding, ...]
    """Each says from which other one it follows, if it does."""
    first: str
    """The requirement of the one that broke first; empty if none failed."""


def sort_out(case: Case, findings: Sequence[Finding]) -> SortedOut:
    """Say of each finding whether it follows, and from which."""
    bad = [finding for finding in findings if finding.verdict is Verdict.failed]
    plain = SortedOut(tuple(findings), bad[0].requirement if bad else "")
    if not bad or case.record.broke_off or case.left_down:
        return plain
    if case.came_home:
        return _beside(case, plain, bad)
    if not failed(case):
        return plain
    causes = _causes(case)
    broken = {finding.requirement: _of(case, finding, causes) for finding in bad}
    firsts = _firsts(bad, broken)
    told = (_judged(finding, broken.get(finding.requirement), firsts) for finding in findings)
    # Ways are tried in the order of the topology, and so are the sets of them.
    first = next(iter(firsts.values()), bad[0])
    return SortedOut(tuple(told), first.requirement)


def _beside(case: Case, plain: SortedOut, bad: list[Finding]) -> SortedOut:
    """What befell a node beside the ways home, and what else that node lacks."""
    nodes = stopped(case)
    explained = [finding for finding in bad if _one_cause(finding, nodes)]
    if not explained:
        return plain
    first = min(explained, key=lambda finding: min(each.step.rank for each in finding.missing))
    told_of = {each.of for each in first.missing}
    follow = {
        finding.requirement
        for finding in explained
        if finding is not first
        and {each.of for each in finding.missing} <= told_of
        and _one_cause(finding, nodes) == _one_cause(first, nodes)
    }
    findings = tuple(
        replace(finding, follows_from=first.requirement)
        if finding.requirement in follow
        else finding
        for finding in plain.findings
    )
    return SortedOut(findings, first.requirement)


def _one_cause(finding: Finding, nodes: dict[str, Stopped]) -> str:
    """The cause that stopped all that a finding says to be missing; empty if there is none."""
    if finding.wrong or finding.lacks is not None or not finding.missing:
        return ""
    causes = set[str]()
    for each in finding.missing:
        node = nodes.get(each.of)
        if node is None or node.at.rank > each.step.rank:
            return ""
        causes.add(node.cause)
    return causes.pop() if len(causes) == 1 else ""


def _judged(
    finding: Finding, broken: _Broken | None, firsts: dict[frozenset[str], Finding]
) -> Finding:
    if broken is None or finding.wrong or not broken.stops(finding.lacks):
        return finding
    first = firsts.get(broken.ways) or next(iter(firsts.values()), None)
    if first is None or first.requirement == finding.requirement:
        return finding
    return replace(finding, follows_from=first.requirement)


def _firsts(bad: list[Finding], broken: dict[str, _Broken | None]) -> dict[frozenset[str], Finding]:
    """For each set of ways, the finding that lacks the earliest step after the break."""
    found: dict[frozenset[str], Finding] = {}
    for finding in bad:
        own = broken[finding.requirement]
        if own is None or finding.lacks is None or not own.stops(finding.lacks):
            continue
        if not own.kind:
            continue  # What is about every way tells nothing of where one broke.
        before = found.get(own.ways)
        if before is None or before.lacks is None or finding.lacks.rank < before.lacks.rank:
            found[own.ways] = finding
    return found


def _of(case: Case, finding: Finding, causes: dict[str, str]) -> _Broken | None:
    """The ways that a requirement is about, if they led nobody home for one cause each."""
    entry = find(finding.requirement, [way.kind for way in case.topology.ways])
    about = [
        way
        for way in case.topology.own_ways
        if way.name in causes and (not entry.kind or case.goes_by(entry.kind, way))
    ]
    # Of a way that runs over another the requirement may be about the lower one: that has steps of its own.
    broken_at_each = [broken_at(entry.kind or way.kind, causes[way.name]) for way in about]
    known = tuple(step for step in broken_at_each if step is not None)
    if not about or len(known) < len(about):
        return None
    return _Broken(entry.kind, frozenset(way.name for way in about), known)


def broken_at(kind: str, cause: str) -> Step | None:
    """The first step that cannot come about on a kind of way for a cause; None if the cause does not say."""
    # A kind of somebody else's may be older than this table.
    stops: Causes = getattr(ways.stage(kind, "symptoms"), "STOPS", {})
    return stops.get(cause)


def _causes(case: Case) -> dict[str, str]:
    """Each way that was tried, and why it led nobody home; empty if it led somebody, or nobody knows."""
    led = {call.way for call in case.record.calls if call.succeeded}
    found: dict[str, str] = {}
    for way in case.topology.own_ways:
        tried = [
            a.name
            for a in case.topology.callers
            if way.name in a.ways and _tried(case, way, a.name)
        ]
        if not tried:
            continue
        found[way.name] = "" if way.name in led else _one_of_all(case, way, tried)
    return found


def _one_of_all(case: Case, way: Way, agents: list[str]) -> str:
    """Why a way led none of these agents home, if it is the same for all; the first other cause is enough."""
    first = _cause(case, way, agents[0])
    if not any(broken_at(kind, first) for kind in case.topology.kinds_of(way)):
        return ""  # It explains nothing but itself, whoever else has it.
    return first if all(_cause(case, way, agent) == first for agent in agents[1:]) else ""


def _tried(case: Case, way: Way, agent: str) -> bool:
    return any(trial.agent == agent and trial.way == way.name for trial in case.record.tries)


def _cause(case: Case, way: Way, agent: str) -> str:
    symptoms: Any = ways.stage(way.kind, "symptoms")
    found = symptoms.failure(case, agent)
    return found.cause if found is not None else ""
