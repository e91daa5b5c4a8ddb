"""How a failure of the way to a partition of i5/OS is told: by the ways that run over it."""

from __future__ import annotations

from lab.verify.case import Case
from lab.verify.symptom import Diagnosis


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Nothing: no agent comes home by it alone."""
    return None


def survived(case: Case, agent: str) -> Diagnosis | None:
    """Nothing: no agent comes home by it alone."""
    return None
