"""The checks of remote service, by requirement; imported where a run has it."""

from __future__ import annotations

from collections.abc import Callable

from lab.topology.service import Inbound
from lab.verify import (
    relay_session,
    remote_service,
    remote_session,
    remote_terminal,
    service_access,
    service_apart,
    service_generations,
    service_locked,
    service_vpn,
)
from lab.verify.case import Case
from lab.verify.finding import Finding

Judge = Callable[[Case], Finding]


def _by_way(usual: Judge, by: Inbound, other: Judge) -> Judge:
    """The check of a requirement that is judged otherwise where a session is let in by one way."""

    def check(case: Case) -> Finding:
        service = case.topology.service
        return other(case) if service is not None and service.by is by else usual(case)

    return check


CHECKS: dict[str, Judge] = {
    "I-01": _by_way(remote_service.check_i_01, Inbound.internet, relay_session.check_i_01),
    "I-02": _by_way(remote_service.check_i_02, Inbound.internet, relay_session.check_i_02),
    "I-03": remote_service.check_i_03,
    "I-04": service_access.check_i_04,
    "I-05": remote_service.check_i_05,
    "I-06": remote_session.check_i_06,
    "I-07": remote_session.check_i_07,
    "I-08": remote_session.check_i_08,
    "I-09": remote_session.check_i_09,
    "I-10": remote_session.check_i_10,
    "I-11": remote_session.check_i_11,
    "I-12": service_vpn.check_i_12,
    "I-13": service_vpn.check_i_13,
    "I-14": service_vpn.check_i_14,
    "I-15": service_vpn.check_i_15,
    "I-16": service_vpn.check_i_16,
    "I-17": service_vpn.check_i_17,
    "I-18": _by_way(service_locked.check_i_18, Inbound.internet, relay_session.check_i_18),
    "I-19": service_apart.check_i_19,
    "I-20": service_apart.check_i_20,
    "I-21": service_access.check_i_21,
    "I-22": _by_way(remote_terminal.check_i_22, Inbound.vpn, service_generations.check_i_22),
    "I-23": remote_terminal.check_i_23,
    "I-24": remote_terminal.check_i_24,
    "I-25": service_generations.check_i_25,
    "I-26": relay_session.check_i_26,
    "I-27": relay_session.check_i_27,
    "I-28": service_generations.check_i_28,
    "I-29": service_generations.check_i_29,
    "I-30": service_generations.check_i_30,
    "I-31": service_generations.check_i_31,
    "I-32": remote_session.check_i_32,
    "P-21": service_vpn.check_p_21,
}
