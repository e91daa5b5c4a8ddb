"""Inbound remote service, judged from outside: who is let in, by which call, and with what (S3, S4 2.2)."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from math import inf
from typing import Any

from lab.names import all_of, count
from lab.relay.events import LedIn
from lab.service.events import (
    CalledIn,
    Counts,
    HostScanned,
    InboundDisabled,
    InboundEnabled,
    SessionSought,
    SessionUp,
    spans,
)
from lab.service.marks import Purpose
from lab.service.scan import PORTS
from lab.telephony.events import CallAnswered, TerminalSaid
from lab.topology.model import RemoteService, Role
from lab.topology.service import MOST_TRIES, credentials
from lab.verify import terminal_calls
from lab.verify.beside import Beside
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.service_sessions import by_telephone
from lab.ways.vpn import plan as vpn
from lab.wire import ppp
from lab.wire.decode import TCP, UDP, Frame
from lab.wire.ppp import ChapCode, Code

EVERY_PORT = spans({*PORTS})
ATTACKERS = (Role.internet, Role.sdc)
"""Whose nodes must have tried."""
L2TP_PORT = 1701
VPN_DAEMONS = (500, L2TP_PORT, 4500)
"""UDP ports at which charon and xl2tpd are, and no listener."""
ANSWERS_BY_ITSELF, ANSWERS_NEVER = "S0=1", "S0=0"


def of(case: Case) -> RemoteService:
    """The remote service that is tried, with the addresses of the first session.

    Topologies without one do not expect its requirements.
    """
    return case.agreements[0]


def lender(case: Case) -> str:
    """The partition of i5/OS whose VPN sessions come by; empty if it is the console's own, or none."""
    ways = vpn.plans(case.topology)
    return next((way.partition for way in ways if way.name == of(case).vpn_way), "")


def untried(case: Case) -> str:
    """Why nobody tried to get in; empty if somebody did."""
    if case.topology.service is None:
        return "the topology has no remote service (service:)"
    if not case.told(HostScanned):
        return f"{case.why_not_home or 'nothing was tried'}, so nobody tried to get in"
    return ""


def not_up(case: Case) -> str:
    """Why no session stood, whether or not anybody was let in; empty if one did."""
    if why := untried(case):
        return why
    if not of(case).by:
        return f"no session is let in to {of(case).console}"
    return "" if case.told(SessionUp, LedIn) or session_times(case) else "no session came up"


def no_session(case: Case) -> str:
    """Why nobody came in; empty if somebody did."""
    if why := not_up(case):
        return why
    return "" if session_times(case) else "nobody was let in at the terminal"


def session_times(case: Case) -> list[float]:
    """When somebody came in, in order; at a terminal as the line shows it."""
    if terminal_calls.expected(of(case)):
        return sorted(tried.time for tried in terminal_calls.tries(case) if tried.let_in)
    return sorted(event.time for event in case.told(SessionUp, LedIn))


def enabled(case: Case) -> list[InboundEnabled]:
    return case.told(InboundEnabled)


def first_enabled(case: Case) -> float:
    """When a session was let in for the first time; inf if never."""
    return min((event.time for event in enabled(case)), default=inf)


def check_i_01(case: Case) -> Finding:
    """Remote service is off by default."""
    if case.topology.service is None:
        return Check("I-01", "nobody gets in to a console").not_tested(untried(case))
    service, console = of(case), of(case).console
    taken = f", and {console}'s modem takes no call" if service.dialer else ""
    check = Check(
        "I-01",
        f"{console} answers on all ports to its own wire; from outside no TCP or UDP port, no other IP "
        f"protocol and no ping gets an answer{taken}",
    )
    if why := untried(case):
        return check.not_tested(why)
    scanned = judge_off(case, check)
    calls = _judge_refused(case, check, 0.0, first_enabled(case))
    rang = ""
    if service.dialer:
        rang = f"; {console}'s telephone rang {count(calls, 'time')}, and no modem answered"
    elif service.workplace:
        rang = (
            f"; {service.workplace} looked for a session {count(calls, 'time')}, and there was none"
        )
    return check.finding(f"{scanned}{rang}")


def judge_off(case: Case, check: Check) -> str:
    """What scans say of a console before anybody was let in; a sentence of what was seen."""
    service = of(case)
    scans = case.told(HostScanned)
    _judge_control(case, check, scans)
    attacks = [
        s for s in scans if s.purpose == Purpose.attack.name and s.time < first_enabled(case)
    ]
    judge_outsiders(case, check, attacks)
    forbid_answers(case, check, 0.0, first_enabled(case))
    sources = all_of(list(dict.fromkeys(scan.source for scan in attacks)))
    return (
        f"{sources} tried {len(PORTS):,} TCP and as many UDP ports and all other protocols, none answered; "
        f"all ports answered {service.neighbour}"
    )


def every_port(case: Case) -> str:
    """The UDP ports of the console that answer a control scan: the VPN's own daemons say nothing to it."""
    if of(case).vpn_way and of(case).console not in case.ipsec_ends(of(case).console):
        return _every_port_but((L2TP_PORT,))  # IKE is the partition's.
    return _every_port_but(VPN_DAEMONS if of(case).vpn_way else ())


def _answering(case: Case) -> set[str]:
    """What may answer by UDP. Where the way home was left down, only L2TP's guard keeps a port (P-07)."""
    left_down = {_every_port_but((L2TP_PORT,))} if case.left_down else set()
    return {every_port(case)} | left_down


@cache
def _every_port_but(own: tuple[int, ...]) -> str:
    return spans({*PORTS} - {*own})


def _judge_control(case: Case, check: Check, scans: list[HostScanned]) -> None:
    """Ports that are closed by themselves would make every lock look good."""
    service = of(case)
    controls = [scan for scan in scans if scan.purpose == Purpose.control.name]
    check.want(
        controls, f"{service.neighbour} has not looked whether {service.console}'s ports are open"
    )
    for scan in controls:
        for protocol, ports in (("TCP", scan.tcp), ("UDP", scan.udp)):
            if ports not in (_answering(case) if protocol == "UDP" else {EVERY_PORT}):
                found = f"{protocol} {ports}" if ports else f"no {protocol} port"
                check.object(
                    f"{found} of {service.console} answered {scan.source}, "
                    "so a port that is closed proves nothing"
                )


def need_visit(case: Case, check: Check, there: Any, sentence: str) -> None:
    """Object if nothing is there that comes about once the representative gets to a session."""
    check.need_beside(Beside.visited, of(case).workplace, there, sentence)


def judge_outsiders(
    case: Case, check: Check, attacks: list[HostScanned], *, after_visit: bool = False
) -> None:
    """Everybody outside must have tried, with every packet, and have got no answer."""
    tried = {scan.source for scan in attacks}
    for role in ATTACKERS:
        for node in case.topology.with_role(role):
            words = f"{node.name} has not tried to get in"
            if after_visit:
                need_visit(case, check, node.name in tried, words)
            else:
                check.want(node.name in tried, words)
    for scan in attacks:
        judge_silence(case, check, scan)


def judge_silence(case: Case, check: Check, scan: HostScanned) -> None:
    """Every packet of a scan must have come, and have got no answer."""
    arrived, where = arrival(case, scan)
    if arrived != scan.sent:
        check.object(
            f"of {sum(scan.sent)} packets of the scan by {scan.source} {sum(arrived)} came to {where}, "
            "so it proves nothing"
        )
    check.want(scan.silent, scan.sentence)


def arrival(case: Case, scan: HostScanned) -> tuple[Counts, str]:
    """What was counted of a scan, and where: at the customer's firewall, if it is in the way."""
    wall, service = case.topology.firewall, of(case)
    own = {partition.name for partition in service.partitions}
    if wall is None or scan.source in {service.neighbour, service.workplace, *own}:
        return scan.at_host, service.console
    return scan.at_firewall, wall.node


def answers(case: Case) -> list[Frame]:
    """What the wires show of answers; the scans themselves are not captured."""
    ports = (TCP, Purpose.attack), (UDP, Purpose.attack)
    return [f for f, p in case.all_packets() if (p.protocol, p.destination_port) in ports]


def forbid_answers(case: Case, check: Check, since: float, until: float) -> None:
    """No wire may show an answer to a scan, whatever the scanner says."""
    found = [f for f in answers(case) if since <= f.time < until and not _is_of_session(case, f)]
    segments = sorted({frame.segment for frame in found})
    check.forbid(found, f"in answer to a scan on {' and '.join(segments)}")


def _is_of_session(case: Case, frame: Frame) -> bool:
    """Whether an answer comes to the representative from a session by VPN, behind the gateway (I-10)."""
    server, caller = of(case).server, of(case).caller_address
    if not server or frame.ip is None or frame.ip.destination != caller:
        return False
    behind = {interface.name for interface in case.topology.node(server).interfaces}
    return frame.segment in behind and any(a <= frame.time <= b for a, b in case.borrowed)


def _judge_refused(case: Case, check: Check, since: float, until: float) -> int:
    """How often IBM tried to get in, in vain, in a time when nobody is let in."""
    service = of(case)
    if service.dialer:
        return _judge_unanswered(case, check, since, until)
    if not service.workplace:
        return 0
    sought = [e for e in case.told(SessionSought) if since <= e.time < until]
    check.want(sought, f"{service.workplace} has not looked for a session of {service.console}")
    for event in sought:
        check.want(not event.gateway, event.sentence)
    _forbid_sessions(case, check, since, until)
    return len(sought)


def _forbid_sessions(case: Case, check: Check, since: float, until: float) -> None:
    """Nobody may authenticate for remote service in the VPN, when nobody is let in."""
    account = of(case).vpn_account
    user = account.user.encode() if account else b""
    found = [
        item.frame
        for item, frame in case.in_ppp(ppp.CHAP, ChapCode.response)
        if since <= item.frame.time < until and frame.content[17:] == user
    ]
    check.forbid(found, f"of {user.decode()} in the VPN, when nobody was let in", "CHAP response")


def _judge_unanswered(case: Case, check: Check, since: float, until: float) -> int:
    """How many calls of IBM's server rang at the console in a time when nobody is let in."""
    service = of(case)
    placed = [e for e in case.told(CalledIn) if since <= e.started < until]
    check.want(placed, f"{service.dialer} has not called {service.console}")
    rang = [c for c in case.service_calls if c.command and since <= c.command.time < until]
    check.want(
        len([call for call in rang if call.client == service.dialer]) >= len(placed),
        f"a call of {service.dialer} did not ring at {service.console}, so it proves nothing",
    )
    for call in rang:
        if call.connected or call.noted(CallAnswered):
            check.object(f"{service.console}'s modem answered {call}")
    return len(rang)


def check_i_02(case: Case) -> Finding:
    """Each enabling serves one session."""
    check = Check(
        "I-02",
        "each enabling serves one session; then nobody gets in, until the next enabling",
    )
    if why := no_session(case):
        return check.not_tested(why)
    times = [event.time for event in enabled(case)]
    sessions = session_times(case)
    ended = case.told(InboundDisabled)
    need_visit(case, check, len(times) > 1, "a session was not let in a second time")
    for number, (begin, end) in enumerate(pairwise([*times, inf]), 1):
        if _locked_out(ended, begin, end):
            continue
        here = [time for time in sessions if begin <= time < end]
        if len(here) != 1:
            check.object(f"enabling {number} served {count(len(here), 'session')}")
        over = [event for event in ended if begin <= event.time < end and event.reason == "used"]
        need_visit(case, check, over, f"enabling {number} was not used up by its session")
        if over and end < inf:
            _judge_refused(case, check, over[0].time, end)
    told = f"{count(len(times), 'enabling')}, {count(len(sessions), 'session')}"
    if of(case).dialer:
        answered = [call for call in case.service_calls if call.noted(CallAnswered)]
        calls = count(len(case.service_calls), "call")
        told += f"; of {calls} the modem answered {len(answered)}"
    else:
        sought = case.told(SessionSought)
        found = sum(bool(event.gateway) for event in sought)
        told += f"; {of(case).workplace} looked {count(len(sought), 'time')}, and found {found}"
    return check.finding(told)


def _locked_out(ended: list[InboundDisabled], begin: float, end: float) -> bool:
    """Whether an enabling ended by wrong tries, and so served nobody."""
    return any(e.reason == "wrong-tries" and begin <= e.time < end for e in ended)


def check_i_03(case: Case) -> Finding:
    """The modem is set to take calls, and only while somebody is let in."""
    check = Check("I-03", "enabling sets the console's modem to S0=1, and the end of it to S0=0")
    if why := no_session(case):
        return check.not_tested(why)
    own = {line.name for line in case.topology.lines_of(of(case).console)}
    settings = [
        (said.time, ANSWERS_BY_ITSELF in said.text)
        for said in case.dialogue
        if isinstance(said, TerminalSaid)
        and said.line in own
        and (ANSWERS_BY_ITSELF in said.text or ANSWERS_NEVER in said.text)
    ]
    ends = [event.time for event in case.told(InboundDisabled)]
    for number, event in enumerate(enabled(case), 1):
        until_then = [answers for time, answers in settings if time <= event.time]
        check.want(until_then and until_then[-1], f"enabling {number} did not set S0=1")
        over = min((end for end in ends if end >= event.time), default=inf)
        until = [answers for time, answers in settings if event.time < time <= over]
        check.want(
            until and not until[-1], f"after enabling {number} the modem was not set to S0=0"
        )
    before = [time for time, answers in settings if answers and time <= first_enabled(case)]
    if len(before) > 1:
        check.object("the modem was set to S0=1 before anybody was let in")
    return check.finding(f"{len(settings)} times set: S0=1 by each enabling, and S0=0 after it")


def check_i_05(case: Case) -> Finding:
    """The representative authenticates with what the PPP address says."""
    check = Check(
        "I-05",
        "the console demands CHAP and challenges; the response is by the credentials that are based on "
        "the PPP address, and only after it IPCP begins",
    )
    if why := no_session(case):
        return check.not_tested(why)
    account = credentials(of(case).ppp_address)
    came_up = by_telephone(case)
    for call in case.service_calls:
        wrong = call.in_ppp(ppp.CHAP, ChapCode.failure, outgoing=False)
        if len(wrong) > MOST_TRIES:
            check.object(f"{call} had {len(wrong)} wrong tries", frames_of(i for i, _ in wrong))
    for call in came_up:
        asked = call.in_ppp(ppp.LCP, Code.configure_request, outgoing=False)
        demanded = [item for item, f in asked if f.authentication == (ppp.CHAP, ppp.CHAP_MD5)]
        check.want(demanded, f"{call}: the console did not demand CHAP with MD5")
        challenges = call.in_ppp(ppp.CHAP, ChapCode.challenge, outgoing=False)
        check.want(challenges, f"{call}: the console did not challenge")
        known = {frame.identifier: frame.chap_value for _, frame in challenges}
        responses = call.in_ppp(ppp.CHAP, ChapCode.response, outgoing=True)
        right = [
            frame
            for _, frame in responses
            if frame.chap_value
            == ppp.chap_md5(
                frame.identifier, account.secret.reveal(), known.get(frame.identifier, b"")
            )
            and frame.content[17:] == account.user.encode()
        ]
        check.want(
            right, f"{call}: no response by {account.user}", frames_of(i for i, _ in responses)
        )
        accepted = call.in_ppp(ppp.CHAP, ChapCode.success, outgoing=False)
        check.want(accepted, f"{call}: the console accepted no response")
        at = accepted[0][0].frame.time if accepted else inf
        early = [i for i, _ in call.in_ppp(ppp.IPCP) if i.frame.time < at]
        if accepted and early:
            check.object(f"{call}: IPCP began before the response was accepted", frames_of(early))
        check.show(item.frame for item, _ in (*challenges, *responses))
    return check.finding(
        f"{count(len(came_up), 'session')} of {account.user}, each after a right response"
    )
