"""How a failure of a way home over the Internet is told."""

from __future__ import annotations

from collections.abc import Callable

from lab.verify import errand_symptoms, internet_symptoms
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis, Trail, first_of

Symptom = Callable[[Trail], Diagnosis | None]

FAILURE: tuple[Symptom, ...] = (
    internet_symptoms.find_black_hole,
    errand_symptoms.find_silent_back_end,
    errand_symptoms.find_blocked_port,
    errand_symptoms.find_blocked_errand,
    internet_symptoms.find_refusing_server,
    internet_symptoms.find_unopened_address,
    internet_symptoms.find_lost_syn,
    internet_symptoms.find_agent_failure,
)
"""In the order of the path: an earlier step that fails explains all later ones."""


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Why the way did not lead home."""
    return first_of([Trail(case, agent, None)], FAILURE)


def survived(case: Case, agent: str) -> Diagnosis | None:
    """What befell a way that did lead home: a server that was down."""
    return first_of([Trail(case, agent, None)], [internet_symptoms.find_silent_server])
