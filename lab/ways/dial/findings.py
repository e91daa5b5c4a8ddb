"""The requirements that a way home by telephone is judged by."""

from __future__ import annotations

from collections.abc import Callable

from lab.verify.case import Case
from lab.verify.finding import Finding
from lab.ways.dial import account, authorized, dialling, fence

CHECKS: dict[str, Callable[[Case], Finding]] = {
    "OUT-23": dialling.check_out_23,
    "OUT-24": dialling.check_out_24,
    "OUT-25": dialling.check_out_25,
    "OUT-26": dialling.check_out_26,
    "P-11": account.check_p_11,
    "P-12": account.check_p_12,
    "P-20": account.check_p_20,
    "L-01": fence.check_l_01,
    "L-02": authorized.check_l_02,
    "L-03": authorized.check_l_03,
    "L-04": fence.check_l_04,
    "L-05": fence.check_l_05,
    "L-06": fence.check_l_06,
    "L-07": fence.check_l_07,
    "L-08": authorized.check_l_08,
    "L-09": fence.check_l_09,
    "L-10": authorized.check_l_10,
    "L-11": authorized.check_l_11,
    "L-12": authorized.check_l_12,
    "F-18": dialling.check_f_18,
    "R-08": dialling.check_r_08,
}

WAY_HOME = frozenset({"OUT-23", "OUT-25", "OUT-26", "P-11", "P-12", "P-20", "R-08"})
"""What is judged by the lab's own records of a way that it brings up, or by what must then be there."""

ALWAYS = frozenset({"OUT-24"})
"""What is judged also in a run in which another way was used."""

AT_END = frozenset({"P-20", *(name for name in CHECKS if name.startswith("L-"))})
"""What is judged by trials after the calls home, and so only if this kind of way was in use by then."""
