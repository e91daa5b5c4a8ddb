"""Judging a run: captures, record and model in, findings out.

    findings = verify.judge(topology, record, run_dir)

The checks stand in modules by noun; ``registry`` names them, ``diagnosis`` says what went wrong,
``verdict`` writes the result. Nothing here touches a lab that runs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lab.record import Record
from lab.topology.model import Topology
from lab.verify.case import Case
from lab.verify.diagnosis import NOTHING, Diagnosis, diagnose
from lab.verify.finding import Evidence, Finding, Verdict
from lab.verify.registry import Entry, find

__all__ = ["NOTHING", "Diagnosis", "Evidence", "Finding", "Verdict", "diagnose", "judge"]


def judge(topology: Topology, record: Record, run_dir: Path) -> tuple[Finding, ...]:
    """One finding for each requirement that the topology expects, in its order.

    Raises UsageError for a requirement that nobody can check.
    """
    entries = [find(requirement) for requirement in topology.expect]
    case = Case(topology, record, run_dir)
    return tuple(_of_whom(case, entry, entry.check(case)) for entry in entries)


def _of_whom(case: Case, entry: Entry, finding: Finding) -> Finding:
    """A way home that was not used does not fail."""
    if finding.verdict is not Verdict.failed:
        return finding
    if entry.way_home and case.left_down:
        why = "the way home was left down"
    elif entry.always or not (why := _spared(case, entry.kind)):
        return finding
    seen = f"{why}, so this was not put to the test"
    return replace(finding, seen=seen, verdict=Verdict.not_applicable, evidence=())


def _spared(case: Case, kind: str) -> str:
    """Why no agent had a way of a kind, though every agent came home; empty if one had."""
    used = {agent: case.way_of(agent) for agent in case.topology.agents}
    names = [way.name for way in case.topology.ways if way.kind == kind]
    others = dict.fromkeys(way.name for way in used.values() if way is not None)
    if not (names and others and None not in used.values() and case.came_home):
        return ""
    if any(trial.up for trial in case.tried(kind)):
        return ""
    did = "gave no way home" if case.tried(kind) else "was not needed"
    return f"{' and '.join(names)} {did}: the calls went by {' and '.join(others)}"
