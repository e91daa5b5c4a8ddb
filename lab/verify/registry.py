"""The closed vocabulary: requirement to check, and the claims of ``requirements.yaml``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from lab.names import check_known
from lab.verify import (
    account,
    authorized,
    dial,
    esp,
    fence,
    firewall,
    ike,
    invariants,
    l2tp,
    outbound,
    ppp,
)
from lab.verify.case import Case
from lab.verify.finding import Finding

CHECKS: dict[str, Callable[[Case], Finding]] = {
    "OUT-01": outbound.check_out_01,
    "OUT-02": outbound.check_out_02,
    "OUT-03": outbound.check_out_03,
    "OUT-04": outbound.check_out_04,
    "OUT-19": ike.check_out_19,
    "OUT-20": ike.check_out_20,
    "OUT-21": outbound.check_out_21,
    "OUT-22": outbound.check_out_22,
    "OUT-23": dial.check_out_23,
    "OUT-24": dial.check_out_24,
    "OUT-25": dial.check_out_25,
    "OUT-26": outbound.check_out_26,
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
    "P-11": account.check_p_11,
    "P-12": account.check_p_12,
    "P-18": esp.check_p_18,
    "P-20": account.check_p_20,
    "P-22": esp.check_p_22,
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
    "F-03": firewall.check_f_03,
    "F-06": firewall.check_f_06,
    "F-07": firewall.check_f_07,
    "F-08": firewall.check_f_08,
    "F-18": dial.check_f_18,
    "R-07": ike.check_r_07,
    "R-08": dial.check_r_08,
    "g1": invariants.check_g1,
    "g2": invariants.check_g2,
    "g3": invariants.check_g3,
    "g4": invariants.check_g4,
    "g5": invariants.check_g5,
    "g6": invariants.check_g6,
}


WAY_HOME = frozenset(
    {
        *(f"OUT-{number:02}" for number in (3, 19, 20, 21, 22, 23, 25, 26)),
        *(name for name in CHECKS if name.startswith("P-")),
        *("F-03", "F-06", "F-07", "F-08", "R-07", "R-08"),
    }
)
"""What is judged by the lab's own records of a way home that it brings up, or by what must then be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a requirement says, and where the papers say it."""

    requirement: str
    text: str
    source: str


@cache
def claims() -> dict[str, Claim]:
    """Every requirement of the vocabulary; read when first asked for."""
    import yaml  # not at the top: judging needs no YAML

    text = resources.files("lab").joinpath("data", "requirements.yaml").read_text()
    return {
        name: Claim(requirement=name, text=entry["claim"], source=entry["source"])
        for name, entry in yaml.safe_load(text).items()
    }


def find_check(requirement: str) -> Callable[[Case], Finding]:
    """The check of a requirement; an unknown one raises UsageError with what was perhaps meant."""
    check_known("requirement", requirement, CHECKS)
    return CHECKS[requirement]
