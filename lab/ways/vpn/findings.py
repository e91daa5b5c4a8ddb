"""The requirements that a way home by VPN is judged by."""

from __future__ import annotations

from collections.abc import Callable

from lab.verify import firewall, outbound
from lab.verify.case import Case
from lab.verify.finding import Finding
from lab.ways.vpn import esp, ike, l2tp, ppp

CHECKS: dict[str, Callable[[Case], Finding]] = {
    "OUT-19": ike.check_out_19,
    "OUT-20": ike.check_out_20,
    "OUT-21": outbound.check_out_21,
    "OUT-22": ppp.check_out_22,
    "P-01": ike.check_p_01,
    "P-02": esp.check_p_02,
    "P-03": l2tp.check_p_03,
    "P-04": esp.check_p_04,
    "P-05": esp.check_p_05,
    "P-06": esp.check_p_06,
    "P-07": l2tp.check_p_07,
    "P-08": l2tp.check_p_08,
    "P-09": ppp.check_p_09,
    "P-10": ppp.check_p_10,
    "P-18": esp.check_p_18,
    "P-22": esp.check_p_22,
    "F-06": firewall.check_f_06,
    "F-07": firewall.check_f_07,
    "F-08": firewall.check_f_08,
    "R-07": ike.check_r_07,
}

WAY_HOME = frozenset(CHECKS)
"""What is judged by the lab's own records of a way that it brings up, or by what must then be there."""

ALWAYS = frozenset({"F-08"})
"""What is judged also in a run in which another way was used."""

AT_END = frozenset[str]()
"""What is judged by trials after the calls home, and so only if this kind of way was in use by then."""
