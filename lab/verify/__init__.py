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
from lab.verify.registry import WAY_HOME, find_check

__all__ = ["NOTHING", "Diagnosis", "Evidence", "Finding", "Verdict", "diagnose", "judge"]


def judge(topology: Topology, record: Record, run_dir: Path) -> tuple[Finding, ...]:
    """One finding for each requirement that the topology expects, in its order.

    Raises UsageError for a requirement that nobody can check.
    """
    checks = [find_check(requirement) for requirement in topology.expect]
    case = Case(topology, record, run_dir)
    return tuple(_of_whom(case, check(case)) for check in checks)


def _of_whom(case: Case, finding: Finding) -> Finding:
    """A way home that was left down does not fail; of what somebody did by hand only good is said."""
    if not case.left_down or finding.verdict is not Verdict.failed:
        return finding
    if finding.requirement not in WAY_HOME:
        return finding
    why = "the way home was left down, so this was not put to the test"
    return replace(finding, seen=why, verdict=Verdict.not_applicable, evidence=())
