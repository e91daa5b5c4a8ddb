"""How a failure of a way home by telephone is told."""

from __future__ import annotations

from collections.abc import Callable

from lab.telephony.events import LineDropped
from lab.verify import internet_symptoms, tls_symptoms
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis, DialTrail, first_of
from lab.ways.dial import call_symptoms, own_dialler, telephone_symptoms
from lab.ways.dial.causes import STOPS as STOPS
from lab.ways.dial.own_dialler import OwnDialTrail
from lab.ways.dial.plan import DialPlan
from lab.ways.pass_through import symptoms as pass_through
from lab.ways.pass_through.plan import PassThroughPlan, below

Symptom = Callable[[DialTrail], Diagnosis | None]

CALL: tuple[Symptom, ...] = (
    telephone_symptoms.find_no_modem,
    telephone_symptoms.find_modem_gone,
    telephone_symptoms.find_refused_command,
    telephone_symptoms.find_no_dial_tone,
    telephone_symptoms.find_lender_busy,
    telephone_symptoms.find_unreached,
    call_symptoms.find_refused_protocol,
    call_symptoms.find_wrong_password,
    call_symptoms.find_late_answers,
    call_symptoms.find_no_ppp,
    call_symptoms.find_lost_echo,
)
"""What kept PPP from coming up, or ended it."""
FAILURE: tuple[Symptom, ...] = (
    *CALL,
    call_symptoms.find_silent_name_server,
    internet_symptoms.find_black_hole,
    tls_symptoms.find_old_tls,
    internet_symptoms.find_refusing_server,
    internet_symptoms.find_lost_syn,
    call_symptoms.find_dropped_line,
    call_symptoms.find_too_slow,
    internet_symptoms.find_agent_failure,
)
"""In the order of the path: an earlier step that fails explains all later ones."""

SURVIVED: tuple[Symptom, ...] = (
    call_symptoms.find_dropped_line,
    call_symptoms.find_slow_line,
    call_symptoms.find_noise,
    telephone_symptoms.find_redial,
)
"""What befell the call that got through, and only then what came before it."""


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Why the way did not lead home."""
    lent = _lent(case, agent)
    if lent is None:
        return first_of([DialTrail(case, agent)], FAILURE)
    found = pass_through.of_clear(case, lent, agent) or first_of([DialTrail(case, agent)], FAILURE)
    return pass_through.with_damage(case, lent, agent, found)


def _lent(case: Case, agent: str) -> PassThroughPlan | None:
    """The way to the partition that dials for an agent, if one does."""
    ways = (way for way in case.topology.ways_of(agent) if isinstance(way, DialPlan))
    return next((lower for way in ways if (lower := below(case.topology, way)) is not None), None)


def of_carrier(case: Case, agent: str) -> Diagnosis | None:
    """Why a call did not carry another way to its end, if that is why it did not lead home."""
    trail = DialTrail(case, agent)
    if found := first_of([trail], (*CALL, call_symptoms.find_silent_name_server)):
        return found
    cut_off = trail.calls and trail.calls[-1].noted(LineDropped)
    return call_symptoms.find_dropped_line(trail) if cut_off else None


def of_slow_carrier(case: Case, agent: str) -> Diagnosis | None:
    """Whether a call that carries another way is too slow for the agent, or slower than it should be."""
    slow = (call_symptoms.find_too_slow, call_symptoms.find_slow_line)
    return first_of([DialTrail(case, agent)], slow)


def of_own_client(case: Case, agent: str) -> Diagnosis | None:
    """Why a dialler of the user's own did not get through, or why what came after it did not."""
    return first_of([OwnDialTrail(case, agent)], own_dialler.FAILURE)


def survived(case: Case, agent: str) -> Diagnosis | None:
    """What befell a way that did lead home."""
    return first_of([DialTrail(case, agent)], SURVIVED)
