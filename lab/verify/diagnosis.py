"""What went wrong, in words: the thing, the place, the mend.

Reads what a run left and does not know which fault was put in. A call home that failed is followed
along its path, and the first step that did not come about is the answer; one that got through may
still have met with something on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.record import Record
from lab.topology.model import IpsecConnection, Topology
from lab.verify import internet_symptoms, session_symptoms, tunnel_symptoms
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis, Trail

__all__ = ["NOTHING", "Diagnosis", "diagnose"]

NOTHING = "nothing"
"""The cause that is given where nothing went wrong."""

TUNNEL: tuple[Callable[[Trail], Diagnosis | None], ...] = (
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


@dataclass(frozen=True, slots=True)
class _Line:
    client: str
    connection: IpsecConnection | None


def diagnose(topology: Topology, record: Record, run_dir: Path) -> Diagnosis:
    """The one sentence that explains a run."""
    case = Case(topology, record, run_dir)
    if not failed(case):
        found = _first(case, SURVIVED)
        return found or Diagnosis(NOTHING, "nothing is wrong: the path came up and held", "")

    found = _first(case, TUNNEL if case.by_vpn else DIRECT) or _first(case, SURVIVED)
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


def _first(
    case: Case, symptoms: tuple[Callable[[Trail], Diagnosis | None], ...]
) -> Diagnosis | None:
    """The symptoms in order, of the connection tried last: the earlier ones failed alike."""
    for line in _lines(case):
        trail = Trail(case, line.client, line.connection)
        for symptom in symptoms:
            if found := symptom(trail):
                return found
    return None


def _lines(case: Case) -> list[_Line]:
    if not case.by_vpn:
        return [_Line(node.name, None) for node in case.agents]
    lines = []
    for node in case.agents:
        tried = [c for c in case.connections(node.name) if Trail(case, node.name, c).ike]
        lines += [_Line(node.name, c) for c in reversed(tried)]
        if not tried:
            lines.append(_Line(node.name, None))
    return lines
