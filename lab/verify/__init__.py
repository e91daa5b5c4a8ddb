"""Judging a run: captures, record and model in, findings out.

    findings = verify.judge(topology, record, run_dir)

The checks stand in modules by noun; ``registry`` names them, ``diagnosis`` says what went wrong,
``verdict`` writes the result. Nothing here touches a lab that runs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lab.record.record import Record
from lab.topology.model import Topology
from lab.verify.case import Case
from lab.verify.diagnosis import NOTHING, Diagnosis, diagnose, diagnose_case
from lab.verify.finding import Evidence, Finding, Verdict
from lab.verify.registry import Requirement, find

__all__ = [
    "NOTHING",
    "Diagnosis",
    "Evidence",
    "Finding",
    "Verdict",
    "diagnose",
    "diagnose_case",
    "judge",
    "judge_case",
]


def judge(topology: Topology, record: Record, run_dir: Path) -> tuple[Finding, ...]:
    """One finding for each requirement that the topology expects, in its order.

    Raises UsageError for a requirement that nobody can check.
    """
    return judge_case(Case(topology, record, run_dir))


def judge_case(case: Case) -> tuple[Finding, ...]:
    """As ``judge``, of a run whose directory was read already."""
    entries = [find(requirement) for requirement in case.topology.expect]
    return tuple(_of_whom(case, entry, entry.check(case)) for entry in entries)


def _of_whom(case: Case, entry: Requirement, finding: Finding) -> Finding:
    """A way home that was not used does not fail."""
    if finding.verdict is not Verdict.failed:
        return finding
    if entry.way_home and case.left_down:
        why = "the way home was left down"
    elif entry.always or not (why := _spared(case, entry)):
        return finding
    seen = f"{why}, so this was not put to the test"
    return replace(finding, seen=seen, verdict=Verdict.not_applicable, evidence=())


def _spared(case: Case, entry: Requirement) -> str:
    """Why a finding says nothing about ways that no agent had at the end, as others led home."""
    used = [case.way_of(agent) for agent in case.topology.agents]
    others = dict.fromkeys(way.name for way in used if way is not None)
    names = [way.name for way in case.topology.ways if way.kind == entry.kind]
    if not names or case.failed_calls or any(way is None or way.name in names for way in used):
        return ""
    tries = case.tried(entry.kind)
    if any(trial.up for trial in tries) and not entry.at_end:
        return ""
    fate = "was not needed"
    if tries:
        fate = "was lost" if any(trial.up for trial in tries) else "gave no way home"
    return f"{' and '.join(names)} {fate}: the calls went by {' and '.join(others)}"
