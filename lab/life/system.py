"""Whether an agent heeds what system it is on, and who may see the data of it (E-16 to E-18)."""

from __future__ import annotations

from lab.life.chronicle import DAY_S, IBM, Chronicle
from lab.names import all_of, count
from lab.verify.finding import Check, Finding

SOON_S = 3600.0
"""So long an inventory may take to come, after the HMC has called for it."""
MOST_IDS, IDS = 2, "ibm_ids"
"""And how the receiver's refusal names them."""
EXITED, NOT_FOUND = "with exit status ", (" 126", " 127")
"""How an end is told; and the exit statuses of a shell that cannot start a command."""


def check_e_16(life: Chronicle) -> Finding:
    """A partition that an HMC manages sends its inventory when the HMC calls for it, and nothing else."""
    check = Check(
        "E-16",
        "on a partition that an HMC manages nothing is activated: the inventory comes when the HMC calls "
        "for it, and nothing else does",
    )
    if not life.hmc_managed:
        return check.not_tested("no HMC manages the system")
    others = sorted({each.kind for each in life.messages if each.kind != "inventory"})
    check.want(not others, f"the partition itself sent {all_of(others)}")
    calls = [e for e in life.having("inventory") if life.ended - e.time > SOON_S]
    calls = [each for each in calls if not life.is_dark(each.time)]
    if not calls:
        return check.not_tested("the HMC called for nothing while a way led to IBM")
    came = [each.received for each in life.messages if each.kind == "inventory"]
    late = [e for e in calls if not any(0 <= time - e.time <= SOON_S for time in came)]
    check.want(not late, f"no inventory within an hour of {count(len(late), 'call')} of the HMC")
    uncalled = [t for t in came if not any(t - e.time >= 0 for e in life.having("inventory"))]
    check.want(not uncalled, f"{count(len(uncalled), 'inventory', 'inventories')} before any call")
    return check.finding(f"{count(len(calls), 'call')} of the HMC, an inventory after each")


def check_e_18(life: Chronicle) -> Finding:
    """Two IBM IDs at most, and those that were configured."""
    check = Check(
        "E-18", f"IBM is told of {MOST_IDS} IBM IDs at most, of those that are configured"
    )
    refused = [e for e in life.of("enrolment") if not e.served and IDS in e.detail]
    check.want(not refused, f"{count(len(refused), 'enrolment')} refused for the IBM IDs in it")
    if not life.machines:
        return check.not_tested("the agent never enrolled")
    known = [name for machine in life.machines for name in machine.ibm_ids]
    strange = sorted({*known} - {*life.ibm_ids})
    check.want(not strange, f"nobody has configured {all_of(strange)}")
    for machine in life.machines:
        check.want(
            len(machine.ibm_ids) <= MOST_IDS,
            f"{machine.identity} has {len(machine.ibm_ids)} IBM IDs",
        )
    if len(life.ibm_ids) <= MOST_IDS:
        missing = [name for name in life.ibm_ids if name not in known]
        check.want(not missing, f"IBM does not know of {all_of(missing)}")
    if not life.ibm_ids:
        return check.not_tested("no IBM ID is configured, and IBM knows of none")
    return check.finding(f"IBM knows of {all_of(known)}")


def check_e_17(life: Chronicle) -> Finding:
    """On another vendor's system nothing is activated, and nothing is sent."""
    check = Check("E-17", "on a system of another vendor no agent activates: 0 packets leave")
    if life.vendor == IBM:
        return check.not_tested(f"the system is of {IBM}")
    check.want(not life.asked, f"{count(len(life.asked), 'request')} came to IBM's servers")
    check.want(not life.messages, f"IBM has {count(len(life.messages), 'message')}")
    called = sorted({f"{call.address}:{call.port}" for call in life.calls})
    more = f", to {', '.join(called)}" if called else ""
    check.want(not life.sent, f"{count(life.sent, 'packet')} left{more}")
    broken = [how for how in life.ends if not _is_refusal(how)]
    if broken:
        return check.not_tested(f"the agent did not refuse, it broke: it ended {broken[0]}")
    days = (life.ended - life.began) / DAY_S
    told = count(len(life.told), "problem")
    ends = f"; the agent ended {life.ends[0]}" if life.ends else ""
    return check.finding(
        f"0 packets in {days:.1f} days on a system of {life.vendor}, which told of {told}{ends}"
    )


def _is_refusal(how: str) -> bool:
    """Whether a program ended as one that has decided to: not by a signal, nor as a shell that found none."""
    return how.startswith(EXITED) and not how.endswith(NOT_FOUND)
