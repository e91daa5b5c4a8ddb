"""IBM's service server, judged: who gets to a session there, and what passes between it and the intranet."""

from __future__ import annotations

from lab.names import all_of, count
from lab.service.server.events import ApartScanned, ApartTried, ToolTried
from lab.topology.service import BY_TELEPHONE
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.remote_service import need_visit, no_session, of
from lab.verify.service_access import CALLS, judge_permitted, records


def _no_server(case: Case) -> str:
    """Why no session was used at a service server; empty if one was."""
    if why := no_session(case):
        return why
    return "the session comes by telephone" if of(case).by in BY_TELEPHONE else ""


def check_i_19(case: Case) -> Finding:
    """Who has logged in, and is authorized, gets to a session by a tool; nobody else at the server does."""
    check = Check(
        "I-19",
        "the representative logs in to the service server, and reaches the console by a tool; another user's "
        "tool is refused, and a program that is no tool reaches nothing of the session",
    )
    if why := _no_server(case):
        return check.not_tested(why)
    service, seen = of(case), records(case)
    calls = [r for r in seen if r.verb in CALLS and r.outcome != "refused"]
    for number, call in enumerate(calls, 1):
        judge_permitted(check, f"call {number} at {service.workplace}", seen, call, call.time)
    runs = [e for e in case.told(ToolTried) if e.words.startswith("run ")]
    used = [e for e in runs if e.status == 0]
    words = "nobody has reached the console by a tool, so this proves nothing"
    need_visit(case, check, runs, words)
    check.want(used or not runs, words)
    strange = {e.user for e in runs} - {call.user for call in calls}
    words = "no other user has tried a tool in the session"
    need_visit(case, check, runs, words)
    check.want(strange or not runs, words)
    for tried in used:
        check.want(tried.user not in strange, f"{tried.told}, and the session is another user's")
    past = _past_the_tools(case, service.workplace)
    need_visit(case, check, past, f"no program of {service.workplace} itself has tried the session")
    for each in past:
        check.want(not each.answer, each.sentence)
    own = {interface.ip for interface in case.topology.node(service.workplace).interfaces}
    ends = _ends(case)
    for segment, frames in case.wire.items():
        sent = [f for f in frames if f.ip and f.ip.source in own and f.ip.destination in ends]
        check.forbid(sent, f"of {service.workplace} itself to a session on {segment}")
    return check.finding(
        f"{count(len(calls), 'call')} after a log-in, with an authorization; the console was reached by a "
        f"tool of {all_of(sorted({e.user for e in used}))}, and not by one of {all_of(sorted(strange))}, nor "
        "by another program"
    )


def check_i_20(case: Case) -> Finding:
    """Nothing passes between a session and IBM's intranet."""
    intranet = case.topology.service.intranet if case.topology.service else "the intranet"
    check = Check(
        "I-20",
        f"nothing passes between a session and {intranet}, either way, by the service server",
    )
    if why := _no_server(case):
        return check.not_tested(why)
    service = of(case)
    scans = case.told(ApartScanned)
    sources = {scan.source for scan in scans}
    words = f"{service.intranet} has not tried to get in"
    need_visit(case, check, service.intranet in sources, words)
    need_visit(case, check, service.console in sources, "nobody has tried to get out of a session")
    for scan in scans:
        if scan.at_server != scan.sent:
            check.object(
                f"of {sum(scan.sent)} packets from {scan.address} to {scan.target} {sum(scan.at_server)} "
                f"came to {service.workplace}, so it proves nothing"
            )
        check.want(not any(scan.at_target), scan.sentence)
        check.want(not scan.answered, f"{scan.target} answers {scan.source}")
    for tried in _past_the_tools(case, service.intranet):
        check.want(not tried.answer, tried.sentence)
    _judge_wires(case, check)
    return check.finding(
        f"{count(len(scans), 'scan')} of all ports and protocols, {sum(sum(s.sent) for s in scans):,} "
        f"packets to {service.workplace}, and none through it"
    )


def _past_the_tools(case: Case, source: str) -> list[ApartTried]:
    return [e for e in case.told(ApartTried) if e.source == source]


def _ends(case: Case) -> set[str]:
    """The addresses of the sessions, at the customer's end."""
    found: set[str] = set()
    for agreed in case.agreements:
        found |= {agreed.ppp_address, *(partition.alias for partition in agreed.allowed)}
    return found


def _judge_wires(case: Case, check: Check) -> None:
    """No session's packet is on the intranet's wires, and none of the intranet's on the others."""
    service, plan = of(case), case.topology.node(of(case).intranet)
    inside = {interface.segment for interface in plan.interfaces}
    own = {interface.ip for interface in plan.interfaces}
    ends = {service.caller_address} | _ends(case)
    for segment, frames in case.wire.items():
        if segment in inside:
            out = [f for f in frames if f.ip and f.ip.source in ends]
            check.forbid(out, f"of a session on {segment}")
        else:
            came = [f for f in frames if f.ip and f.ip.source in own and f.ip.destination in ends]
            check.forbid(came, f"of {service.intranet} to a session on {segment}")
