"""How a failure of a way home by other consoles is told."""

from __future__ import annotations

from lab.verify.case import Case
from lab.verify.symptom import Diagnosis


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Why the way did not lead home."""
    return None


def survived(case: Case, agent: str) -> Diagnosis | None:
    """What befell a way that did lead home."""
    return None
