"""The lock-down of a session in time, judged: before the first packet, meanwhile, and after it (I-18)."""

from __future__ import annotations

from math import inf

from lab.names import count
from lab.service.events import OVER, SESSION, Flooded, LockedDown, ServiceTried, SessionUp
from lab.topology.service import Inbound
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.remote_service import (
    first_enabled,
    forbid_answers,
    judge_outsiders,
    need_visit,
    no_session,
    not_up,
    of,
)
from lab.verify.remote_session import scans_of
from lab.verify.service_sessions import sessions


def _judge_floods(case: Case, check: Check) -> None:
    """By VPN IBM's side can send before the session stands, and has to find everything closed."""
    if of(case).by is not Inbound.vpn:
        return
    floods = case.told(Flooded)
    ups = [event.time for event in case.told(SessionUp)]
    ends = {(flood.address, flood.port) for flood in floods}
    both = zip(case.borrowed, ups, sessions(case), case.agreements, strict=False)
    for (since, _), up, session, agreed in both:
        aliases = {partition.alias for partition in agreed.allowed}
        check.want(
            [f for f in floods if f.started <= since and up <= f.time],
            "nobody flooded a closed port while a session came up",
        )
        early = [
            item
            for item in session.passed
            if item.data.is_bare_syn
            and (item.data.source, item.data.destination_port) in ends
            and item.frame.time <= up
        ]
        check.want(early, f"no SYN of the flood came by {session.name} before it stood")
        check.show(item.frame for item in early[:2])
        answers = [
            item
            for item in session.passed
            if item.of_console
            and item.data.is_syn_ack
            and (item.data.destination, item.data.source_port) in ends
        ]
        # A partition has every port open, once the session stands.
        wrong = [i for i in answers if i.frame.time < up or i.data.source not in aliases]
        check.forbid(frames_of(wrong), f"answered the flood before {session.name} stood")


def check_i_18(case: Case) -> Finding:
    """The lock-down stands before the first packet of a session, and everything is closed after the last."""
    check = Check(
        "I-18",
        "the lock-down stands before a packet can come by a session; outside all stays closed",
    )
    if why := not_up(case):
        return check.not_tested(why)
    locked = case.told(LockedDown)
    came_up = sessions(case)
    if len(locked) != len(came_up):
        check.object(f"{count(len(came_up), 'session')}, and {count(len(locked), 'lock-down')}")
    for session, event in zip(came_up, locked, strict=False):
        early = [item for item in session.passed if item.frame.time < event.time]
        if early:
            check.object(f"{session.name}: packets came before the lock-down", frames_of(early))
        check.want(session.passed, f"{session.name} carried no packet")
        check.show(item.frame for item in session.passed[:2])
    _judge_floods(case, check)
    unlisted = [
        event
        for event in case.told(ServiceTried)
        if event.host == of(case).console and event.port not in of(case).ports
    ]
    words = "no port that is closed was tried as soon as a session was up"
    need_visit(case, check, unlisted, words)
    for tried in unlisted:
        check.want(not tried.answer, tried.sentence)
    forbid_answers(case, check, first_enabled(case), inf)
    came_up_told = f"{count(len(came_up), 'session')}, each locked down before its first packet"
    if why := no_session(case):
        return check.finding(f"{came_up_told}; {why}")
    meanwhile = scans_of(case, SESSION)
    inside = {of(case).workplace, *(partition.name for partition in of(case).partitions)}
    outside = [scan for scan in meanwhile if scan.source not in inside]
    need_visit(case, check, outside, "nobody tried to get in from outside during a session")
    for scan in outside:
        check.want(scan.silent, scan.sentence)
    judge_outsiders(case, check, scans_of(case, OVER), after_visit=True)
    return check.finding(f"{came_up_told}; nothing answered the Internet meanwhile and afterwards")
