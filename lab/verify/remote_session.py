"""A session of remote service, judged: where its packets may go, and from when (S3, S4 2.2)."""

from __future__ import annotations

from ipaddress import ip_address
from math import inf

from lab.names import all_of, count
from lab.service.events import (
    CLOSED,
    SESSION,
    ConsoleUsed,
    CustomerRules,
    HostScanned,
    ServiceTried,
    SessionUp,
    spans,
)
from lab.service.offered import HTTPS_PORTS, SSH_PORT
from lab.topology.service import Partition, RemoteService
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.remote_service import (
    need_visit,
    no_session,
    of,
)
from lab.verify.service_sessions import Passed, passed
from lab.wire.decode import TCP, UDP, Frame, Packet


def scans_of(case: Case, state: str, source: str = "") -> list[HostScanned]:
    return [
        event
        for event in case.told(HostScanned)
        if event.state == state and source in ("", event.source)
    ]


def _in_session(case: Case, target: str) -> HostScanned | None:
    """The representative's scan of an address, by the console's own session."""
    scans = (s for s in scans_of(case, SESSION, of(case).workplace) if s.target == target)
    return next((s for s in scans if s.by in ("", of(case).console)), None)


def _allowed(service: RemoteService) -> list[Partition]:
    return [partition for partition in service.partitions if partition.allowed]


def check_i_06(case: Case) -> Finding:
    """An alias on the session's interface for each allowed partition."""
    check = Check("I-06", "the console has its PPP address and an alias for each allowed partition")
    if why := no_session(case):
        return check.not_tested(why)
    service = of(case)
    wanted = {partition.alias: partition.name for partition in _allowed(service)}
    came_up = case.told(SessionUp)
    for event in came_up:
        if event.address != service.ppp_address:
            check.object(f"the console has not the address {service.ppp_address}")
        for alias in sorted({*wanted} - {*event.aliases}, key=ip_address):
            check.object(f"{wanted[alias]} has no alias")
        for alias in sorted({*event.aliases} - {*wanted}, key=ip_address):
            check.object(f"there is an alias {alias}, which no allowed partition has")
    told = [f"{alias} for {name}" for alias, name in wanted.items()] or ["no alias"]
    return check.finding(
        f"{service.ppp_address} and {all_of(told)} in {count(len(came_up), 'session')}"
    )


def check_i_07(case: Case) -> Finding:
    """What goes to an alias comes to its partition, and the answer comes from the alias."""
    check = Check(
        "I-07", "what is sent to a partition's alias goes to the partition and nowhere else"
    )
    if why := no_session(case):
        return check.not_tested(why)
    wanted = _allowed(of(case))
    if not wanted:
        return check.not_tested("no partition is allowed")
    shown: list[Frame] = []
    for partition in wanted:
        tried = [event for event in case.told(ServiceTried) if event.address == partition.alias]
        check.want(tried, f"{partition.name} was not tried")
        for event in tried:
            said = f"This is port tcp/{event.port} of {partition.name}"
            check.want(event.answer == said, event.sentence)
        came = of_caller(case, partition.segment)
        shown += [frame for frame, _ in came]
        check.want(came, f"nothing of the session is on {partition.segment}")
        strange = [f for f, p in came if partition.address not in (p.source, p.destination)]
        check.forbid(strange, f"of the session on {partition.segment} and not for {partition.name}")
        back = [
            item
            for item in passed(case)
            if item.of_console and item.data.source == partition.address
        ]
        if back:
            what = f"an answer of {partition.name} comes by {partition.address}, not by its alias"
            check.object(what, frames_of(back))
    check.show(shown[:8])
    names = all_of([partition.name for partition in wanted])
    return check.finding(f"{names} answered by {count(len(wanted), 'alias', 'aliases')}")


def of_caller(case: Case, segment: str) -> list[tuple[Frame, Packet]]:
    """The representative's packets on a wire, either way."""
    caller = of(case).caller_address
    return [(f, p) for f, p in case.packets(segment) if caller in (p.source, p.destination)]


def check_i_08(case: Case) -> Finding:
    """A partition that is not allowed cannot be reached."""
    check = Check("I-08", "no packet of a session comes to a partition that is not allowed")
    if why := no_session(case):
        return check.not_tested(why)
    others = [partition for partition in of(case).partitions if not partition.allowed]
    if not others:
        return check.not_tested("all partitions are allowed")
    for partition in others:
        for address in filter(None, (partition.alias, partition.address)):
            scan = _in_session(case, address)
            if scan is None:
                need_visit(case, check, None, f"{address} of {partition.name} was not tried")
                continue
            _want_all_arrived(check, scan)
            check.want(scan.silent, scan.sentence)
        came = [frame for frame, _ in of_caller(case, partition.segment)]
        check.forbid(came, f"of the session on {partition.segment}")
        if of(case).allowed:
            own = scans_of(case, SESSION, partition.name)
            words = f"{partition.name} has not tried to get to another partition"
            need_visit(case, check, own, words)
            for scan in own:
                _want_all_arrived(check, scan)
                check.want(scan.silent, scan.sentence)
        for event in case.told(ServiceTried):
            if event.host == partition.name:
                check.want(not event.answer, event.sentence)
    names = all_of([partition.name for partition in others])
    by_alias = " and by what would be the alias" if all(p.alias for p in others) else ""
    return check.finding(
        f"{names}: all ports and protocols tried by address{by_alias}, none answered; "
        "neither did another partition answer it"
    )


def _want_all_arrived(check: Check, scan: HostScanned) -> None:
    if scan.at_host != scan.sent:
        check.object(
            f"of {sum(scan.sent)} packets of the scan of {scan.target} {sum(scan.at_host)} came by the "
            "session, so it proves nothing"
        )


def check_i_09(case: Case) -> Finding:
    """A console that is not allowed gets nothing, and the partitions are reached all the same."""
    check = Check("I-09", "a session that may not reach the console gets nothing through to it")
    if why := no_session(case):
        return check.not_tested(why)
    service = of(case)
    scans = [
        s
        for s in scans_of(case, CLOSED, service.workplace)
        if s.target == case.agreements[-1].ppp_address
    ]
    words = "the console was not tried in a session that may not reach it"
    need_visit(case, check, scans, words)
    for scan in scans:
        _want_all_arrived(check, scan)
        check.want(scan.silent, scan.sentence)
    since = min((scan.started for scan in scans), default=inf)
    spans_of_scans = [(scan.started, scan.time) for scan in scans]
    strange = [
        item
        for item in _of_console(case)
        if any(start <= item.frame.time <= end for start, end in spans_of_scans)
    ]
    check.forbid(frames_of(strange), "of the console on the line meanwhile")
    tried = [e for e in case.told(ServiceTried) if e.time < since]
    for partition in _allowed(service):
        own = [e for e in tried if e.address == partition.alias]
        need_visit(case, check, own, f"{partition.name} was not reached")
        check.want(not own or any(e.answer for e in own), f"{partition.name} was not reached")
    return check.finding(
        "all ports and protocols of the console tried, none answered; partitions answered"
    )


def check_i_10(case: Case) -> Finding:
    """The console is open where the papers say, by TCP and UDP, and nowhere else."""
    service = case.topology.service
    ports = spans(service.ports) if service is not None else ""
    check = Check(
        "I-10",
        f"in a session the console answers on {ports}, by TCP and UDP alike, and to nothing else",
    )
    if why := no_session(case):
        return check.not_tested(why)
    if not of(case).console_allowed:
        return check.not_tested("the console itself is not allowed (I-09)")
    scan = _in_session(case, of(case).ppp_address)
    if scan is None:
        need_visit(case, check, None, "the console was not scanned in a session")
        return check.finding("")
    _want_all_arrived(check, scan)
    for protocol, answered in (("TCP", scan.tcp), ("UDP", scan.udp)):
        if answered != ports:
            check.object(f"{protocol} {answered or 'nothing'} answered")
    if scan.refused or scan.protocols or scan.errors:
        check.object(scan.sentence)
    _judge_use(case, check)
    for number, name in ((TCP, "TCP"), (UDP, "UDP")):
        heard = [item for item in _of_console(case) if item.data.protocol == number]
        strange = {item.data.source_port for item in heard} - {*of(case).ports}
        if strange:
            against = [item for item in heard if item.data.source_port in strange]
            what = f"{name} {spans(strange)} of the console answered on the line"
            check.object(what, frames_of(against))
    return check.finding(f"TCP and UDP {ports} answered of all, and no other protocol")


def _judge_use(case: Case, check: Check) -> None:
    """What the listed ports are for: SSH, and HTTPS where it is listed."""
    used = case.told(ConsoleUsed)
    for port in {SSH_PORT, *HTTPS_PORTS} & {*of(case).ports}:
        check.want([e for e in used if e.port == port], f"nobody used TCP {port} in a session")
    for event in used:
        check.want(event.status == 0 and event.answer, event.sentence)
        if event.port == SSH_PORT and event.status == 0:
            check.want(event.answer == of(case).console, f"SSH leads to {event.answer}")


def _of_console(case: Case) -> list[Passed]:
    """What the console itself sent by sessions, and not in connections of its own."""
    own = {agreed.ppp_address for agreed in case.agreements}
    sent = [item for item in passed(case) if item.of_console and item.data.source in own]
    opened = {item.data.ends for item in sent if item.data.is_bare_syn}
    return [item for item in sent if item.data.ends not in opened]


def check_i_11(case: Case) -> Finding:
    """The lock-down goes before the customer's own rules, and leaves them as they were."""
    check = Check(
        "I-11",
        "the customer's own rules do not apply to a session, and are afterwards what they were",
    )
    if why := no_session(case):
        return check.not_tested(why)
    rules = {e.moment: e.rules for e in case.told(CustomerRules)}
    denied, admitted = _rules_that_differ(of(case), rules.get("during", ""))
    # Without a visit nobody looks at the rules in a session, nor after one.
    for found, words in (
        (denied, "the customer denied no listed port"),
        (admitted, "the customer admitted no port that is not listed"),
    ):
        need_visit(case, check, found or "during" in rules, words)
        check.want(found or "during" not in rules, words)
    if rules.get("during") != rules.get("after"):
        check.object("the customer's rules are not what they were")
    lost = [
        line for line in rules.get("before", "").splitlines() if line not in rules.get("after", "")
    ]
    if "after" not in rules:
        need_visit(case, check, None, "nobody looked at the customer's rules after a session")
    elif lost:
        check.object(f"a rule of the customer's is gone: {lost[0].strip()}")
    scan = _in_session(case, of(case).ppp_address)
    answered = scan.tcp if scan is not None else ""
    for port in denied if of(case).console_allowed else ():
        check.want(_holds(answered, port), f"TCP {port}, which the customer denied, did not answer")
    for port in admitted:
        check.want(not _holds(answered, port), f"TCP {port}, which the customer admitted, answered")
    return check.finding(
        f"TCP {spans(denied)} answered though denied, TCP {spans(admitted)} did not though admitted; "
        "the rules are as they were"
    )


def _rules_that_differ(service: RemoteService, rules: str) -> tuple[set[int], set[int]]:
    """The listed ports that rules drop, and the others that they accept, of what the lab adds."""
    words = [line.split() for line in rules.splitlines()]
    found = [(int(w[2]), w[3]) for w in words if w[:2] == ["tcp", "dport"] and len(w) == 4]
    denied = {port for port, verb in found if verb == "drop" and port in service.ports}
    admitted = {port for port, verb in found if verb == "accept" and port not in service.ports}
    return denied, admitted


def _holds(told: str, port: int) -> bool:
    """Whether a port is among spans."""
    for span in filter(None, told.split(", ")):
        first, _, last = span.partition("-")
        if int(first) <= port <= int(last or first):
            return True
    return False


def check_i_32(case: Case) -> Finding:
    """What answers the console's own sockets, which the papers leave open."""
    stateful = case.topology.service is not None and case.topology.service.stateful
    check = Check(
        "I-32",
        "in a session what answers the console's own sockets is "
        + ("let through, by the topology's choice" if stateful else "blocked, to the letter"),
    )
    if why := no_session(case):
        return check.not_tested(why)
    service = of(case)
    tries = [e for e in case.told(ServiceTried) if e.source == service.console]
    need_visit(case, check, tries, "the console opened no connection of its own in a session")
    for tried in tries:
        check.want(bool(tried.answer) == stateful, tried.sentence)
        ends = (service.caller_address, service.ppp_address, tried.port)
        answers = [
            item
            for item in passed(case)
            if item.data.is_syn_ack
            and (item.data.source, item.data.destination, item.data.source_port) == ends
        ]
        check.want(answers, "no answer to it was on the line, so this proves nothing")
        check.show(frames_of(answers))
    return check.finding(
        f"{count(len(tries), 'connection')} of the console, answered on the line, and "
        + ("let through" if stateful else "none let through")
    )
