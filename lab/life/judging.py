"""Judges a life by requirement: from the chronicle, and never from what the agent says of itself.

``right``, ``wrong``, ``never``: the last is what an agent was not seen to do, which is no merit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.life import (
    connections,
    contents,
    delivery,
    downloads,
    failover,
    identity,
    module_calls,
    notices,
    pages,
    routine,
    system,
)
from lab.life.chronicle import Chronicle
from lab.verify.finding import Finding

LifeCheck = Callable[[Chronicle], Finding]
CHECKS: Mapping[str, LifeCheck] = {
    "E-01": pages.check_e_01,
    "E-02": pages.check_e_02,
    "E-03": pages.check_e_03,
    "E-04": module_calls.check_e_04,
    "E-05": notices.check_e_05,
    "E-06": identity.check_e_06,
    "E-07": identity.check_e_07,
    "E-08": identity.check_e_08,
    "E-09": identity.check_e_09,
    "E-10": identity.check_e_10,
    "E-11": contents.check_e_11,
    "E-12": routine.check_e_12,
    "E-13": connections.check_e_13,
    "E-14": routine.check_e_14,
    "E-15": routine.check_e_15,
    "E-16": system.check_e_16,
    "E-17": system.check_e_17,
    "E-18": system.check_e_18,
    "E-19": routine.check_e_19,
    "E-20": routine.check_e_20,
    "E-21": routine.check_e_21,
    "E-22": contents.check_e_22,
    "E-23": downloads.check_e_23,
    "E-24": contents.check_e_24,
    "OUT-14": delivery.check_out_14,
    "OUT-15": delivery.check_out_15,
    "OUT-18": delivery.check_out_18,
    "OUT-32": downloads.check_out_32,
    "OUT-33": downloads.check_out_33,
    "OUT-34": delivery.check_out_34,
    "OUT-41": downloads.check_out_41,
    "OUT-42": downloads.check_out_42,
    "OUT-45": downloads.check_out_45,
    "F-12": connections.check_f_12,
    "F-13": connections.check_f_13,
    "R-01": failover.check_r_01,
    "R-02": delivery.check_r_02,
    "R-04": routine.check_r_04,
    "R-05": downloads.check_r_05,
    "R-06": module_calls.check_r_06,
    "R-09": failover.check_r_09,
    "R-10": failover.check_r_10,
    "R-11": identity.check_r_11,
    "P-19": downloads.check_p_19,
}
"""Every requirement that a life is judged by, in the order of the table."""


def findings(life: Chronicle) -> tuple[Finding, ...]:
    """One for each requirement."""
    return tuple(check(life) for check in CHECKS.values())
