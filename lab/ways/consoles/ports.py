"""Findings on the ports of consoles in their own firewalls: M-04 and F-17."""

from __future__ import annotations

from lab.agent.heartbeat import system_of
from lab.linux.console_ports import accepted_counter, dropped_counter
from lab.names import all_of, count
from lab.topology.consoles import DISCOVERY_PORT, INTER_CONSOLE_PORT, PORTS, Console, named
from lab.verify.case import Case
from lab.verify.consoles import broadcast_on
from lab.verify.finding import Check, Finding
from lab.verify.firewall import PROTOCOLS
from lab.ways.consoles.events import PortTaken
from lab.wire.decode import Frame, Packet

UNTRIED = "the ports of consoles were not taken away in this run"


def check_m_04(case: Case) -> Finding:
    """Without UDP 9900 no console is known; without TCP 9920 consoles are known, and forwarding fails."""
    check = Check(
        "M-04",
        f"a console without UDP {DISCOVERY_PORT} in its firewall comes to know nobody; without TCP "
        f"{INTER_CONSOLE_PORT} in theirs call-home servers are known, and no request gets through; the ports "
        "given back, it gets home again",
    )
    trials = case.told(PortTaken)
    if not trials:
        return check.not_tested(UNTRIED)
    told = [_judge_closed(case, check, trial) for trial in trials]
    missing = {port for _, port in PORTS} - {trial.port for trial in trials}
    for port in sorted(missing):
        check.object(f"nobody took {port} away")
    return check.finding("; ".join(told))


def _judge_closed(case: Case, check: Check, trial: PortTaken) -> str:
    """One port: what it was like without, and what afterwards; in words."""
    what = f"{trial.protocol.upper()} {trial.port}"
    asked = [
        (frame, packet)
        for frame, packet in _of_requests(case, trial.source)
        if trial.started <= frame.time <= trial.time
    ]
    before = [(f, p) for f, p in asked if f.time < trial.restored]
    after = [f for f, p in asked if f.time >= trial.restored and p.is_syn_ack]
    check.forbid([f for f, p in before if p.is_syn_ack], f"without {what}", "SYN/ACK")
    tickets = [
        entry
        for entry in case.record.ledger
        if entry.system == system_of(trial.source) and trial.started <= entry.time < trial.restored
    ]
    if trial.acknowledged or tickets:
        check.object(f"{trial.source} got home without {what}")
    if not trial.again or not after:
        check.object(f"{trial.source} does not get home with {what} given back")
    if trial.port == INTER_CONSOLE_PORT:
        syns = [f for f, p in before if p.is_bare_syn]
        check.want(trial.known, f"{trial.source} knew nobody without {what}")
        check.want(syns, f"{trial.source} asked nobody without {what}")
        check.show([*syns[:1], *after[:1]])
        unheard = f"{count(len(syns), 'SYN')} had no answer"
        return f"without {what} {trial.source} knew {all_of(trial.known.split())}, and {unheard}"
    spoken = [
        frame
        for frame, packet in _to(
            case, named(case.topology.consoles, trial.source), "udp", trial.port
        )
        if trial.started < frame.time < trial.restored
        and packet.source not in named(case.topology.consoles, trial.source).addresses
    ]
    check.want(spoken, f"nobody spoke to {trial.source} at {what}, which proves nothing")
    if trial.known:
        check.object(f"{trial.source} knew {trial.known} without {what}")
    check.show([*spoken[:1], *after[:1]])
    heard = count(len(spoken), "datagram")
    return f"without {what} {trial.source} heard none of {heard}, and knew nobody"


def check_f_17(case: Case) -> Finding:
    """The HMC's own firewall has rules for the two ports."""
    check = Check(
        "F-17",
        f"what comes to UDP {DISCOVERY_PORT} of consoles, and to TCP {INTER_CONSOLE_PORT} of call-home "
        "servers, passes their own firewalls by a rule, and nothing without it",
    )
    trials = case.told(PortTaken)
    if not trials:
        return check.not_tested(UNTRIED)
    told = []
    for console in case.topology.consoles:
        counters = case.record.counters.get(console.node, {})
        for protocol, port in PORTS:
            if protocol == "tcp" and not console.serves:
                continue
            came = [frame for frame, _ in _to(case, console, protocol, port)]
            passed = counters.get(accepted_counter(protocol, port), 0)
            dropped = counters.get(dropped_counter(protocol, port), 0)
            closed = any(
                (console.node, port) == (c, t.port) for t in trials for c in t.consoles.split()
            )
            check.want(passed, f"the rule of {console.node} for {protocol} {port} let nothing in")
            if bool(dropped) is not closed:
                check.object(
                    f"{console.node} dropped {dropped} at {protocol} {port}, and its rule was "
                    f"{'' if closed else 'never '}away",
                    came[:1],
                )
            if _is_exact(case, console) and passed + dropped != len(came):
                check.object(
                    f"{count(len(came), 'packet')} came to {protocol} {port} of {console.node}, and its "
                    f"firewall counted {passed + dropped}",
                    came[:1],
                )
            check.show(came[:1])
            told.append(f"{console.node} {protocol} {passed} in, {dropped} dropped")
    return check.finding("; ".join(told))


def _is_exact(case: Case, console: Console) -> bool:
    """Whether all that is on a console's wires comes to the console once, as it was sent."""
    links = (case.topology.segment(card.segment) for card in console.cards)
    return all(link.impairment is None for link in links)


def _to(case: Case, console: Console, protocol: str, port: int) -> list[tuple[Frame, Packet]]:
    """What comes to a port of a console on its own links, its own broadcasts among it."""
    found: list[tuple[Frame, Packet]] = []
    for card in console.cards:
        own = {card.address, broadcast_on(case, card.segment)}
        found += [
            (frame, packet)
            for frame, packet in case.packets(card.segment)
            if packet.protocol == PROTOCOLS[protocol]
            and packet.destination_port == port
            and packet.destination in own
        ]
    return sorted(found, key=lambda each: each[0].time)


def _of_requests(case: Case, asking: str) -> list[tuple[Frame, Packet]]:
    """TCP between a console and TCP 9920 of others, on its own links."""
    console = named(case.topology.consoles, asking)
    return [
        (frame, packet)
        for card in console.cards
        for frame, packet in case.packets(card.segment)
        if case.is_inter_console(packet)
        and {packet.source, packet.destination} & {*console.addresses}
    ]
