"""The requirements that a way home over the Internet is judged by."""

from __future__ import annotations

from lab.verify import firewall, outbound
from lab.verify.finding import Judge, checks_in
from lab.ways.direct import (
    errands,
    front_end,
    healing,
    openings,
    redundancy,
    uploads,
    variants,
    versions,
)

CHECKS: dict[str, Judge] = {
    "OUT-01": outbound.check_out_01,
    "OUT-06": versions.check_out_06,
    "OUT-08": versions.check_out_08,
    "F-01": firewall.check_f_01,
    "F-02": firewall.check_f_02,
    "F-03": firewall.check_f_03,
    "F-05": healing.check_f_05,
    **checks_in(openings),
    "R-02": redundancy.check_r_02,
    "R-09": redundancy.check_r_09,
    "R-10": healing.check_r_10,
    "OUT-43": uploads.check_out_43,
    **checks_in(errands, front_end, variants),
}

WAY_HOME = frozenset({"F-01", "F-02", "F-03"})
"""What is judged by the lab's own records of a way that it brings up, or by what must then be there."""

ALWAYS = frozenset[str]()
"""What is judged also in a run in which another way was used."""

AT_END = frozenset({"OUT-43"})
"""What is judged by trials after the calls home, and so only if this kind of way was in use by then."""
