"""The requirements that a way home by VPN is judged by."""

from __future__ import annotations

from lab.verify import firewall, outbound
from lab.verify.finding import checks_in
from lab.ways.vpn import esp, ike, l2tp, ppp, rekeys, second_gateway

CHECKS = checks_in(ike, second_gateway, esp, rekeys, l2tp, ppp) | {
    "OUT-21": outbound.check_out_21,
    "F-06": firewall.check_f_06,
    "F-07": firewall.check_f_07,
    "F-08": firewall.check_f_08,
}

WAY_HOME = frozenset(CHECKS)
"""What is judged by the lab's own records of a way that it brings up, or by what must then be there."""

ALWAYS = frozenset({"F-08"})
"""What is judged also in a run in which another way was used."""

AT_END = frozenset[str]()
"""What is judged by trials after the calls home, and so only if this kind of way was in use by then."""
