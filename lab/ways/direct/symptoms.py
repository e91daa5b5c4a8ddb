"""How a failure of a way home over the Internet is told."""

from __future__ import annotations

from collections.abc import Callable

from lab.names import count
from lab.topology.servers import FTPS_PORT, PASSIVE_PORTS
from lab.verify import internet_symptoms, tls_symptoms
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis, Trail, first_of

Symptom = Callable[[Trail], Diagnosis | None]

FAILURE: tuple[Symptom, ...] = (
    internet_symptoms.find_black_hole,
    tls_symptoms.find_old_tls,
    internet_symptoms.find_refusing_server,
    internet_symptoms.find_unopened_address,
    internet_symptoms.find_lost_syn,
    internet_symptoms.find_agent_failure,
)
"""In the order of the path: an earlier step that fails explains all later ones."""


def find_blocked_upload(trail: Trail) -> Diagnosis | None:
    """The customer's firewall passes no connection, or none for data, to a server of FTP over TLS."""
    case, firewall = trail.case, trail.case.topology.firewall
    if firewall is None:
        return None
    passed = {(p.destination, p.destination_port) for _, p in case.leaving}
    syns = [p for p in trail.sockets if p.is_bare_syn and case.is_of_ftps(p)]
    lost = [p for p in syns if (p.destination, p.destination_port) not in passed]
    if not lost:
        return None
    far, port = lost[0].destination, lost[0].destination_port
    sent = sum((p.destination, p.destination_port) == (far, port) for p in lost)
    what = "the upload" if port == FTPS_PORT else "the upload's data connection"
    return Diagnosis(
        "upload-blocked",
        f"{what} of {trail.client} to {far}:{port} is lost at {firewall.node}: {count(sent, 'SYN')} on "
        f"{firewall.inside}, none on {firewall.outside}",
        f"open TCP {FTPS_PORT} and TCP {PASSIVE_PORTS[0]} to {PASSIVE_PORTS[-1]} to {far} for {trail.client}",
    )


SURVIVED: tuple[Symptom, ...] = (find_blocked_upload, internet_symptoms.find_silent_server)
"""An upload comes after the call home, whatever befalls it."""


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Why the way did not lead home."""
    return first_of([Trail(case, agent, None)], FAILURE)


def survived(case: Case, agent: str) -> Diagnosis | None:
    """What befell a way that did lead home: a server that was down."""
    return first_of([Trail(case, agent, None)], SURVIVED)
