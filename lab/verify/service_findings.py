"""The checks of remote service, by requirement; imported where a run has it."""

from __future__ import annotations

from lab.topology.service import Inbound
from lab.verify import (
    relay_session,
    remote_service,
    remote_session,
    remote_terminal,
    service_access,
    service_apart,
    service_carriers,
    service_generations,
    service_locked,
    service_vpn,
)
from lab.verify.case import Case
from lab.verify.finding import Finding, Judge, checks_in


def _by_way(usual: Judge, by: Inbound, other: Judge) -> Judge:
    """The check of a requirement that is judged otherwise where a session is let in by one way."""

    def check(case: Case) -> Finding:
        service = case.topology.service
        return other(case) if service is not None and service.by is by else usual(case)

    return check


CHECKS = checks_in(
    remote_service,
    remote_session,
    remote_terminal,
    service_access,
    service_apart,
    service_carriers,
    service_generations,
    service_locked,
    service_vpn,
) | {
    "I-01": _by_way(remote_service.check_i_01, Inbound.internet, relay_session.check_i_01),
    "I-02": _by_way(remote_service.check_i_02, Inbound.internet, relay_session.check_i_02),
    "I-18": _by_way(service_locked.check_i_18, Inbound.internet, relay_session.check_i_18),
    "I-22": _by_way(remote_terminal.check_i_22, Inbound.vpn, service_generations.check_i_22),
    "I-26": relay_session.check_i_26,
    "I-27": relay_session.check_i_27,
}
