"""How a failure of a way home by VPN is told."""

from __future__ import annotations

from collections.abc import Callable

from lab.verify import internet_symptoms, name_symptoms, tls_symptoms
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis, LentTrail, Trail, first_of
from lab.ways.dial import symptoms as dial
from lab.ways.pass_through import symptoms as pass_through
from lab.ways.pass_through.plan import lent_to
from lab.ways.vpn import session_symptoms, tunnel_symptoms
from lab.ways.vpn.causes import STOPS as STOPS
from lab.ways.vpn.plan import plans

Symptom = Callable[[Trail], Diagnosis | None]

TUNNEL: tuple[Symptom, ...] = (
    tunnel_symptoms.find_no_ikev1,
    tunnel_symptoms.find_fenced,
    tunnel_symptoms.find_lost_udp_500,
    tunnel_symptoms.find_silence,
    tunnel_symptoms.find_no_proposal,
    tunnel_symptoms.find_lost_udp_4500,
    tunnel_symptoms.find_failed_authentication,
    tunnel_symptoms.find_other_selectors,
    tunnel_symptoms.find_lost_esp,
)
FAILURE: tuple[Symptom, ...] = (
    *TUNNEL,
    session_symptoms.find_l2tp_refusal,
    session_symptoms.find_pap_only,
    session_symptoms.find_no_chap,
    session_symptoms.find_wrong_secret,
    session_symptoms.find_no_address,
    internet_symptoms.find_black_hole,
    session_symptoms.find_mix_up,
    session_symptoms.find_death,
    session_symptoms.find_l2tp_silence,
    tls_symptoms.find_old_tls,
    internet_symptoms.find_refusing_server,
    name_symptoms.find_failed_lookup,
    name_symptoms.find_misled,
)
"""In the order of the path: an earlier step that fails explains all later ones."""

SURVIVED: tuple[Symptom, ...] = (
    session_symptoms.find_mix_up,
    session_symptoms.find_takeover,
    session_symptoms.find_tampering,
    session_symptoms.find_replay,
)


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Why the way did not lead home: of a way by telephone the call comes first."""
    if _dials(case, agent) and (found := dial.of_carrier(case, agent)):
        return found
    way = lent_to(case.topology, agent)
    if way is None:
        return _failure(case, agent)
    found = pass_through.of_way(case, way, agent) or _failure(case, agent)
    found = pass_through.with_damage(case, way, agent, found)
    return pass_through.with_clearing(case, way, agent, found) if found is not None else None


def _failure(case: Case, agent: str) -> Diagnosis | None:
    trails = _trails(case, agent)
    found = first_of(trails, FAILURE)
    if found is None and _dials(case, agent):
        found = dial.of_slow_carrier(case, agent)
    if found is None:
        return first_of(trails, (internet_symptoms.find_agent_failure,))
    if found.cause != tunnel_symptoms.SILENT or len(trails) == 1:
        return found
    silent = [tunnel_symptoms.find_silence(trail) for trail in reversed(trails)]
    if not all(silent):
        return found
    sentences = "; ".join(each.sentence for each in silent if each is not None)
    names = " and ".join(trail.gateway for trail in reversed(trails))
    hint = f"see whether {names} run, and whether the way to them is open"
    return Diagnosis("gateways-silent", sentences, hint)


def of_own_client(case: Case, agent: str) -> Diagnosis | None:
    """Why a client of the user's own got no tunnel, if it asked for one."""
    way = lent_to(case.topology, agent)
    found = pass_through.of_way(case, way, agent) if way is not None else None
    found = found or first_of((trail for trail in _trails(case, agent) if trail.ike), TUNNEL)
    if way is None:
        return found
    if found is None:
        return pass_through.of_own_client(case, way, agent)
    return pass_through.with_clearing(case, way, agent, found)


def survived(case: Case, agent: str) -> Diagnosis | None:
    """What befell a way that did lead home."""
    if _dials(case, agent) and (found := dial.survived(case, agent)):
        return found
    return first_of(_trails(case, agent), SURVIVED)


def _dials(case: Case, agent: str) -> bool:
    """Whether the agent's way by VPN runs over the telephone."""
    return any(way.dials and agent in way.agents for way in plans(case.topology))


def _trails(case: Case, agent: str) -> list[Trail]:
    """The connections that were tried, the last one first: the earlier ones failed alike."""
    tried = [
        (Trail if c.client == agent else LentTrail)(case, agent, c, hidden=True)
        for c in case.connections(agent)
    ]
    tried = [trail for trail in tried if trail.ike]
    return tried[::-1] or [Trail(case, agent, None, hidden=True)]
