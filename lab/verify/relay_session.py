"""Remote service by Internet, judged: the console opens TLS to a relay, and nobody comes in (S3, T2-10)."""

from __future__ import annotations

from itertools import pairwise
from math import inf

from lab.names import all_of, count
from lab.relay.events import (
    TYPED,
    CodeNotTaken,
    LedIn,
    LedOut,
    PortAsked,
    PortsAsked,
    RelayTried,
    SessionJoined,
    WaitedAtRelay,
)
from lab.relay.frames import MAGIC
from lab.service.events import OVER, SESSION, HostScanned, InboundDisabled, ServiceTried, spans
from lab.service.listeners import GREETING
from lab.topology.model import Role
from lab.topology.service import RELAY_PORTS, Inbound
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.remote_service import (
    enabled,
    first_enabled,
    forbid_answers,
    judge_off,
    judge_outsiders,
    judge_silence,
    no_session,
    of,
    untried,
)
from lab.wire import tls
from lab.wire.decode import ICMP, Packet
from lab.wire.tls import TcpConnection

READABLE = {
    TYPED: "what the representative typed",
    GREETING.encode(): "what a port of the console said",
    MAGIC: "the relay's own protocol",
}
"""What would be on a wire if it were not inside of TLS."""
NEW_TLS = ("TLSv1.2", "TLSv1.3")
MEANWHILE = (Role.internet, Role.relay)
"""Whose nodes must have tried to get in during a session."""


def check_i_26(case: Case) -> Finding:
    """Assist-On-Site: an SSL-based session that the DS8000's HMC opens to a relay."""
    return _judge_session(case, "I-26", ds8000=True)


def check_i_27(case: Case) -> Finding:
    """The Power HMC's session by Internet: sockets always originate from the HMC."""
    return _judge_session(case, "I-27", ds8000=False)


def _judge_session(case: Case, requirement: str, *, ds8000: bool) -> Finding:
    check = Check(
        requirement,
        "the console opens each TCP connection with the relay, and speaks TLS from the first byte; what the "
        "representative does is inside of it, and leads to the listed ports; no SYN comes in to the customer",
    )
    if why := no_session(case):
        return check.not_tested(why)
    if of(case).by is not Inbound.internet:
        return check.not_tested(f"the session is by {of(case).by}")
    if case.topology.profile.startswith("ds8") != ds8000:
        return check.not_tested(f"{case.topology.profile} is of another family")
    _judge_rules(case, check)
    outward = [_judge_customer_wire(case, check, wire) for wire in (*case.uplinks, *case.exits)]
    _judge_ibm_wires(case, check)
    _forbid_inbound(case, check)
    _forbid_readable(case, check)
    _judge_ports(case, check)
    _judge_partitions(case, check)
    sessions = case.told(LedIn)
    each = "" if outward[0] == 1 else "each "
    return check.finding(
        f"{count(outward[0], 'connection')} to {of(case).relay}, {each}opened by {of(case).console}, "
        f"all TLS; {count(len(sessions), 'session')}; nothing readable, and no SYN towards the customer"
    )


def _judge_rules(case: Case, check: Check) -> None:
    """The customer's firewall lets the console out to the relay, and nobody in."""
    firewall = case.topology.firewall
    if firewall is None:
        return
    rules = [rule for rule in firewall.rules if rule.destination == of(case).relay_address]
    check.want(rules, f"no rule of {firewall.node} asks for {of(case).relay}")
    for rule in rules:
        if rule.protocol != "tcp" or rule.port not in RELAY_PORTS or rule.both_ways:
            check.object(f"a rule of {firewall.node} admits more than TCP out to {of(case).relay}")


# Wires.


def relay_connections(case: Case, segment: str) -> list[TcpConnection]:
    service = of(case)
    theirs = {service.relay_address, service.relay_inside}
    return [
        each
        for each in tls.connections(case.frames(segment))
        if theirs & {each.client, each.server}
    ]


def _judge_customer_wire(case: Case, check: Check, segment: str) -> int:
    """How many connections with the relay there are."""
    service, node = of(case), case.topology.node(of(case).console)
    hidden = case.snat and segment in case.exits
    own = case.public_address if hidden else node.uplink.ip
    found = relay_connections(case, segment)
    check.want(found, f"no connection with {service.relay} is on {segment}")
    for each in found:
        first = each.frames[:1]
        if not each.opened:
            check.object(f"a connection on {segment} does not begin with a SYN", first)
        if each.client != own:
            whom = f"{each.client} opens a connection to {each.server}:{each.port} on {segment}"
            check.object(f"{whom}, and not the console", first)
        _judge_tls(check, each, segment)
    check.show(each.frames[0] for each in found)
    for number, (begin, end) in enumerate(led(case), 1):
        for direction, name in ((True, "of the console"), (False, "of the relay")):
            there = any(
                p.payload and begin <= f.time <= end
                for each in found
                for f, p in each.carried(out=direction)
            )
            check.want(there, f"nothing {name} is on {segment} in session {number}")
    return len(found)


def led(case: Case) -> list[tuple[float, float]]:
    """From when until when sessions stood at the console."""
    begun = [event.time for event in case.told(LedIn)]
    over = [event.time for event in case.told(LedOut)]
    return [(at, min((end for end in over if end >= at), default=inf)) for at in begun]


def _judge_ibm_wires(case: Case, check: Check) -> None:
    """The representative's own connections are TLS, too; the ends say of which version."""
    for segment in case.wire:
        if segment not in (*case.uplinks, *case.exits):
            for each in relay_connections(case, segment):
                _judge_tls(check, each, segment)
    for event in case.told(RelayTried):
        if event.phase == "hello":
            check.want(
                event.tls_version in NEW_TLS, f"{event.source} agreed on {event.tls_version}"
            )


def _judge_tls(check: Check, connection: TcpConnection, segment: str) -> None:
    where = f"the connection of {connection.client} to {connection.server}:{connection.port} on {segment}"
    try:
        out, back = tls.records(connection.out), tls.records(connection.back)
    except tls.NoTls as wrong:
        check.object(f"{where} is not TLS: {wrong}", connection.frames[:20])
        return
    if not out and not back:
        return  # It was not taken, or nobody said a word.
    hellos = (out, tls.CLIENT_HELLO), (back, tls.SERVER_HELLO)
    for said, kind in hellos:
        if said and (said[0].kind, said[0].body[:1]) not in (
            (tls.HANDSHAKE, bytes([kind])),
            (tls.ALERT, said[0].body[:1]),
        ):
            check.object(f"{where} does not begin with a handshake", connection.frames[:8])
    if back and back[0].kind == tls.HANDSHAKE:
        version = int.from_bytes(back[0].body[4:6], "big")
        check.want(version >= tls.TLS_1_2, f"{where} is of an old TLS ({version:#06x})")


def _forbid_inbound(case: Case, check: Check) -> None:
    """No SYN towards the customer, but for those by which the lab tries to get in (OUT-02)."""
    customers = {*case.agent_addresses, case.public_address}
    tries = {(p.address, p.destination, p.port) for p in case.record.probes}

    def comes_in(packet: Packet) -> bool:
        ends = packet.source, packet.destination, packet.destination_port
        return (
            packet.is_bare_syn
            and packet.destination in customers
            and packet.source not in customers
            and ends not in tries
        )

    found = [f for f in case.frames(*case.uplinks, *case.exits) if f.ip and comes_in(f.ip)]
    check.forbid(found, "of a connection that somebody opens to the customer")


def _forbid_readable(case: Case, check: Check) -> None:
    for segment, frames in case.wire.items():
        for text, what in READABLE.items():
            # An ICMP error may quote what a port has said to a scan of UDP.
            found = [f for f in frames if text in f.data and not (f.ip and f.ip.protocol == ICMP)]
            check.forbid(found, f"on {segment} with {what}, readable", "frame")


# Ports.


def _judge_ports(case: Case, check: Check) -> None:
    """Each session is led where the customer permits, and nowhere else."""
    service = of(case)
    surveys = case.told(PortsAsked)
    check.want(surveys, "the representative did not ask for ports that are not listed")
    for survey in surveys:
        if survey.answered != survey.asked:
            check.object(f"of {survey.asked} ports {survey.answered} were answered for")
        if survey.opened != spans(service.ports):
            found = survey.opened or "nothing"
            check.object(f"TCP {found} opened, and listed is {spans(service.ports)}")
    tried = [e for e in case.told(ServiceTried) if e.host == service.console]
    for port in service.ports:
        check.want(any(e.port == port for e in tried), f"TCP {port} was not tried")
    for attempt in tried:
        said = f"{GREETING}tcp/{attempt.port} of {service.console}"
        check.want(attempt.answer == said, attempt.sentence)
    for event in case.told(PortAsked):
        check.want(event.answer == "not-permitted", event.sentence)
    ends = {event.reason for event in case.told(LedOut)}
    check.want("wrong-frame" in ends, "a frame that names another host has ended no session")


def _judge_partitions(case: Case, check: Check) -> None:
    """Nothing goes to a partition: no frame has a place for one."""
    begun = min((e.time for e in case.told(LedIn)), default=inf)
    for partition in of(case).partitions:
        found = [f for f in case.frames(partition.segment) if f.ip and f.time >= begun]
        check.forbid(found, f"on {partition.segment} since a session began")


# What the other ways in have, too.


def check_i_01(case: Case) -> Finding:
    """Remote service is off by default: a representative waits in vain."""
    service = of(case)
    check = Check(
        "I-01",
        f"{service.console} answers on all ports to its own wire; from outside nothing gets an answer, and "
        f"{service.console} does not go to {service.relay}, where a representative waits",
    )
    if why := untried(case):
        return check.not_tested(why)
    scanned = judge_off(case, check)
    waited = _judge_in_vain(case, check)
    return check.finding(
        f"{scanned}; {service.server} waited at the relay {count(waited, 'time')}, in vain"
    )


def _judge_in_vain(case: Case, check: Check) -> int:
    """How often a representative waited."""
    until, service = first_enabled(case), of(case)
    waits = [e for e in case.told(WaitedAtRelay) if e.time < until]
    check.want(waits, f"{service.server} has not waited at the relay")
    for event in waits:
        check.want(not event.joined, event.sentence)
    early = [
        frame
        for frame in case.frames(*case.uplinks)
        if frame.time < until and frame.ip and case.is_of_relay(frame.ip)
    ]
    check.forbid(early, "of the relay before anybody was let in")
    return len(waits)


def check_i_02(case: Case) -> Finding:
    """Each enabling serves one session, and each code one enabling."""
    check = Check(
        "I-02",
        "each enabling serves one session; a used code is refused, and the next session has a new one",
    )
    if why := no_session(case):
        return check.not_tested(why)
    times = [event.time for event in enabled(case)]
    ended = case.told(InboundDisabled)
    refused = 0
    for number, (begin, end) in enumerate(pairwise([*times, inf]), 1):
        here = [e for e in case.told(LedIn) if begin <= e.time < end]
        over = {event.reason for event in ended if begin <= event.time < end}
        refused += "code-refused" in over
        wanted = 0 if "code-refused" in over else 1
        if len(here) != wanted:
            check.object(f"enabling {number} served {count(len(here), 'session')}")
        if wanted and "used" not in over:
            check.object(f"enabling {number} was not used up by its session")
    sessions = case.told(SessionJoined)
    check.want(len(sessions) > 1, "a session was not let in a second time")
    reasons = [event.reason for event in case.told(CodeNotTaken)]
    check.want("used-code" in reasons, "a used code was not tried, or not refused")
    _judge_unjoined(case, check)
    return check.finding(
        f"{count(len(sessions), 'session')}, each by a code of its own; a used code was refused "
        f"{count(refused, 'time')}"
    )


def _judge_unjoined(case: Case, check: Check) -> None:
    """Between two sessions the representative waits in vain."""
    over = [event.time for event in case.told(LedOut)]
    waits = [e for e in case.told(WaitedAtRelay) if not e.joined]
    after = [event for event in waits if over and event.started >= over[0]]
    check.want(after, "nobody waited at the relay after the session")


def check_i_18(case: Case) -> Finding:
    """In a session nothing is open beside it, and everything is closed after it."""
    check = Check(
        "I-18",
        "a session has no door but the console's own connection: during it and afterwards nothing answers "
        "from outside",
    )
    if why := no_session(case):
        return check.not_tested(why)
    scans = case.told(HostScanned)
    meanwhile = [scan for scan in scans if scan.state == SESSION]
    for role in MEANWHILE:
        for node in case.topology.with_role(role):
            tried = any(scan.source == node.name for scan in meanwhile)
            check.want(tried, f"{node.name} has not tried to get in during a session")
    for scan in meanwhile:
        judge_silence(case, check, scan)
    judge_outsiders(case, check, [scan for scan in scans if scan.state == OVER])
    forbid_answers(case, check, first_enabled(case), inf)
    sources = all_of(list(dict.fromkeys(scan.source for scan in meanwhile)))
    return check.finding(
        f"{sources} tried all ports in a session, and others afterwards; none answered"
    )
