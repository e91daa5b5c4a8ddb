"""How a failure of a way home over the Internet is told."""

from __future__ import annotations

from collections.abc import Callable

from lab.verify import errand_symptoms, internet_symptoms, name_symptoms, tls_symptoms
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis, Trail, first_of
from lab.ways.direct import (
    inspection_symptoms,
    opening_symptoms,
    server_symptoms,
    upload_symptoms,
)
from lab.ways.direct.causes import STOPS as STOPS

Symptom = Callable[[Trail], Diagnosis | None]

FAILURE: tuple[Symptom, ...] = (
    name_symptoms.find_failed_lookup,
    inspection_symptoms.find_inspection,
    internet_symptoms.find_black_hole,
    tls_symptoms.find_old_tls,
    server_symptoms.find_expired_certificate,
    server_symptoms.find_unknown_authority,
    errand_symptoms.find_silent_back_end,
    errand_symptoms.find_blocked_port,
    errand_symptoms.find_blocked_errand,
    server_symptoms.find_unavailable_server,
    internet_symptoms.find_refusing_server,
    server_symptoms.find_resetting_server,
    server_symptoms.find_slow_server,
    name_symptoms.find_moved_server,
    name_symptoms.find_misled,
    internet_symptoms.find_unopened_address,
    server_symptoms.find_blocked_https,
    internet_symptoms.find_lost_ipv6,
    internet_symptoms.find_lost_syn,
    opening_symptoms.find_blocked_server,
    internet_symptoms.find_silent_server,
    internet_symptoms.find_agent_failure,
)
"""In the order of the path: an earlier step that fails explains all later ones."""

SURVIVED: tuple[Symptom, ...] = (
    inspection_symptoms.find_inspection,
    internet_symptoms.find_lost_ipv6,
    opening_symptoms.find_dead_network,
    opening_symptoms.find_blocked_server,
    opening_symptoms.find_returned_server,
    upload_symptoms.find_blocked_upload,
    internet_symptoms.find_silent_server,
    name_symptoms.find_no_aaaa,
)


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Why the way did not lead home."""
    return first_of([Trail(case, agent, None)], FAILURE)


def survived(case: Case, agent: str) -> Diagnosis | None:
    """What befell a way that did lead home: IPv6, a server or a network was lost, or closed."""
    return first_of([Trail(case, agent, None)], SURVIVED)
