"""What went wrong, in words: the thing, the place, the mend.

Reads what a run left and does not know which fault was put in. A call home that failed is followed
along its path, and the first step that did not come about is the answer; one that got through may
still have met with something on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lab.record import Record
from lab.topology.model import PathKind, Topology
from lab.verify import (
    call_symptoms,
    internet_symptoms,
    session_symptoms,
    telephone_symptoms,
    tunnel_symptoms,
)
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis, DialTrail, Trail

__all__ = ["NOTHING", "Diagnosis", "diagnose"]

T = TypeVar("T", bound=Trail)

NOTHING = "nothing"
"""The cause that is given where nothing went wrong."""

TUNNEL: tuple[Callable[[Trail], Diagnosis | None], ...] = (
    tunnel_symptoms.find_no_ikev1,
    tunnel_symptoms.find_lost_udp_500,
    tunnel_symptoms.find_silence,
    tunnel_symptoms.find_no_proposal,
    tunnel_symptoms.find_lost_udp_4500,
    tunnel_symptoms.find_failed_authentication,
    tunnel_symptoms.find_lost_esp,
    session_symptoms.find_l2tp_refusal,
    session_symptoms.find_pap_only,
    session_symptoms.find_wrong_secret,
    session_symptoms.find_no_address,
    internet_symptoms.find_black_hole,
    session_symptoms.find_mix_up,
    session_symptoms.find_death,
    session_symptoms.find_l2tp_silence,
    internet_symptoms.find_refusing_server,
    internet_symptoms.find_agent_failure,
)
"""In the order of the path: an earlier step that fails explains all later ones."""

DIAL: tuple[Callable[[DialTrail], Diagnosis | None], ...] = (
    telephone_symptoms.find_no_modem,
    telephone_symptoms.find_modem_gone,
    telephone_symptoms.find_refused_command,
    telephone_symptoms.find_no_dial_tone,
    telephone_symptoms.find_unreached,
    call_symptoms.find_refused_protocol,
    call_symptoms.find_wrong_password,
    call_symptoms.find_late_answers,
    call_symptoms.find_no_ppp,
    call_symptoms.find_lost_echo,
    call_symptoms.find_silent_name_server,
    internet_symptoms.find_black_hole,
    internet_symptoms.find_refusing_server,
    internet_symptoms.find_lost_syn,
    call_symptoms.find_dropped_line,
    call_symptoms.find_too_slow,
    internet_symptoms.find_agent_failure,
)

DIRECT: tuple[Callable[[Trail], Diagnosis | None], ...] = (
    internet_symptoms.find_black_hole,
    internet_symptoms.find_refusing_server,
    internet_symptoms.find_lost_syn,
    internet_symptoms.find_agent_failure,
)

SURVIVED: tuple[Callable[[Trail], Diagnosis | None], ...] = (
    session_symptoms.find_mix_up,
    session_symptoms.find_takeover,
    session_symptoms.find_tampering,
    session_symptoms.find_replay,
)

DIAL_SURVIVED: tuple[Callable[[DialTrail], Diagnosis | None], ...] = (
    call_symptoms.find_dropped_line,
    call_symptoms.find_slow_line,
    call_symptoms.find_noise,
    telephone_symptoms.find_redial,
)
"""What befell the call that got through, and only then what came before it."""


def diagnose(topology: Topology, record: Record, run_dir: Path) -> Diagnosis:
    """The one sentence that explains a run."""
    case = Case(topology, record, run_dir)
    if case.left_down:
        return Diagnosis(NOTHING, "the way home was left down", "")
    if not failed(case):
        # What a user's own agent failed of is his to say, unless the path shows a reason.
        found = (_failure(case) if record.command_status else None) or _survived(case)
        return found or Diagnosis(NOTHING, "nothing is wrong: the path came up and held", "")

    if case.came_home:
        return Diagnosis(
            "lab-broke",
            f"every call home got through, and what came after it broke: {record.error}",
            "read the captures and logs in the run directory",
        )
    found = _failure(case) or _survived(case)
    if found is not None:
        return found
    why = record.error or "; ".join(a for c in case.failed_calls for a in c.attempts)
    return Diagnosis(
        "unknown",
        f"the call home failed, and no capture or log says why: {why or 'no error was recorded'}",
        "read the captures and logs in the run directory",
    )


def failed(case: Case) -> bool:
    """Whether the path or the call home did not come about."""
    record = case.record
    return bool(record.error) or record.path_up == 0.0 or bool(case.failed_calls)


def _failure(case: Case) -> Diagnosis | None:
    if _is_dialled(case):
        return _first(_dial_trails(case), DIAL)
    return _first(_trails(case), TUNNEL if case.by_vpn else DIRECT)


def _survived(case: Case) -> Diagnosis | None:
    if _is_dialled(case):
        return _first(_dial_trails(case), DIAL_SURVIVED)
    return _first(_trails(case), SURVIVED)


def _first(
    trails: list[T], symptoms: tuple[Callable[[T], Diagnosis | None], ...]
) -> Diagnosis | None:
    """The symptoms in order, of the connection tried last: the earlier ones failed alike."""
    for trail in trails:
        for symptom in symptoms:
            if found := symptom(trail):
                return found
    return None


def _is_dialled(case: Case) -> bool:
    return case.topology.path is PathKind.dial


def _dial_trails(case: Case) -> list[DialTrail]:
    return [DialTrail(case, node.name) for node in case.agents]


def _trails(case: Case) -> list[Trail]:
    trails = []
    for node in case.agents:
        tried = [Trail(case, node.name, c) for c in case.connections(node.name)]
        tried = [trail for trail in tried if trail.ike]
        trails += tried[::-1] or [Trail(case, node.name, None)]
    return trails
