"""Judging a run: captures, record and model in, findings out.

    findings = verify.judge(topology, record, run_dir)

The checks stand in modules by noun; ``registry`` names them, ``diagnosis`` says what went wrong,
``verdict`` writes the result. Nothing here touches a lab that runs.
"""

from __future__ import annotations

from pathlib import Path

from lab.record import Record
from lab.topology.model import Topology
from lab.verify.case import Case
from lab.verify.diagnosis import NOTHING, Diagnosis, diagnose
from lab.verify.finding import Evidence, Finding, Verdict
from lab.verify.registry import find_check

__all__ = ["NOTHING", "Diagnosis", "Evidence", "Finding", "Verdict", "diagnose", "judge"]


def judge(topology: Topology, record: Record, run_dir: Path) -> tuple[Finding, ...]:
    """One finding for each requirement that the topology expects, in its order.

    Raises UsageError for a requirement that nobody can check.
    """
    checks = [find_check(requirement) for requirement in topology.expect]
    case = Case(topology, record, run_dir)
    return tuple(check(case) for check in checks)
