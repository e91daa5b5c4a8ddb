"""What a generation has of remote service, judged: the DS8000's by VPN, and an agent's host that has none."""

from __future__ import annotations

from math import inf

from lab.names import all_of, count
from lab.service.events import HostScanned, InboundRefused
from lab.service.marks import Purpose
from lab.topology.service import Inbound
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.remote_service import (
    agreements,
    enabled,
    forbid_answers,
    judge_outsiders,
    no_session,
    of,
    untried,
)
from lab.verify.service_sessions import by_vpn
from lab.verify.service_vpn import begins, calls_of


def _no_ds8000_vpn(case: Case) -> str:
    """Why no session with a DS8000 came by VPN; empty if one did."""
    if why := no_session(case):
        return why
    if of(case).by is not Inbound.vpn:
        return "the session does not come by VPN"
    return "" if of(case).console_only else f"{case.topology.profile} is no DS8000"


def check_i_22(case: Case) -> Finding:
    """By VPN a session reaches the DS8000's console, and nothing else."""
    check = Check(
        "I-22",
        "a session by VPN has one PPP session, the console's; no packet comes to a partition",
    )
    if why := _no_ds8000_vpn(case):
        return check.not_tested(why)
    for number, (items, agreed) in enumerate(zip(by_vpn(case), agreements(case), strict=True), 1):
        calls = calls_of(items)
        if len(calls) != 1:
            check.object(f"session {number} has {len(calls)} ICRQ, not 1", frames_of(calls))
        check.show(frames_of(calls))
        aliases = [partition.alias for partition in agreed.partitions if partition.alias]
        if aliases:
            check.object(f"the session has addresses for partitions: {all_of(aliases)}")
    for partition in of(case).partitions:
        came = [
            frame
            for frame in case.frames(partition.segment)
            if frame.ip and of(case).caller_address in (frame.ip.source, frame.ip.destination)
        ]
        check.forbid(came, f"of a session on {partition.segment}")
    names = all_of([p.name for p in of(case).partitions]) or "no partition"
    return check.finding(
        f"{count(len(by_vpn(case)), 'session')} with {of(case).console} alone; {names} not reached"
    )


def check_i_25(case: Case) -> Finding:
    """The DS8000's VPN always begins at its HMC."""
    check = Check(
        "I-25",
        "every IKE begins at the DS8000's HMC, also for remote service, after it is enabled there",
    )
    if why := _no_ds8000_vpn(case):
        return check.not_tested(why)
    own = {case.topology.node(of(case).console).uplink.ip, case.public_address}
    first = [sighting for sighting in case.ike if begins(sighting)]
    for sighting in first:
        if sighting.packet.source not in own:
            check.object(f"{sighting.packet.source} began IKE", [sighting.frame])
    for number, event in enumerate(enabled(case), 1):
        after = [s for s in first if event.time <= s.frame.time]
        check.want(after, f"after enabling {number} nobody began IKE")
        check.show(s.frame for s in after[:1])
    return check.finding(f"{of(case).console} began IKE each of {count(len(first), 'time')}")


def check_i_28(case: Case) -> Finding:
    """Electronic Service Agent itself lets nobody in."""
    check = Check(
        "I-28",
        "an agent's host has no way in that could be enabled, and answers nobody outside",
    )
    if why := untried(case):
        return check.not_tested(why)
    if of(case).ways_in:
        return check.not_tested(f"{case.topology.profile} has remote service")
    refused = {event.by for event in case.events if isinstance(event, InboundRefused)}
    for by in filter(None, Inbound):
        check.want(by in refused, f"by {by} was not refused")
    for event in enabled(case):
        check.object(event.sentence)
    attacks = [
        event
        for event in case.events
        if isinstance(event, HostScanned) and event.purpose == Purpose.attack.name
    ]
    judge_outsiders(case, check, attacks)
    forbid_answers(case, check, 0.0, inf)
    tried = all_of(sorted({scan.source for scan in attacks}))
    return check.finding(f"{len(refused)} ways in refused; {tried} tried all ports, none answered")
