"""Findings on the customer's firewall: F-01 to F-03, and F-06 to F-08."""

from __future__ import annotations

from lab.linux.firewall import DROPPED_IN, DROPPED_OUT, DROPPED_OWN
from lab.names import count, place
from lab.topology.model import AllowRule
from lab.topology.own_rules import find
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.networks import is_in
from lab.verify.step import Step
from lab.wire.decode import ESP, ICMP, ICMPV6, TCP, UDP, Frame, Packet

NO_FIREWALL = "the customer has no firewall"
PROTOCOLS = {"tcp": TCP, "udp": UDP, "esp": ESP, "icmp-echo": ICMP}
_STEPS = {("udp", 500): Step.packets, ("udp", 4500): Step.ike, ("esp", 0): Step.esp}
"""What brings each of a VPN's protocols through the firewall in both directions."""
OWN_COUNTERS = (DROPPED_OUT, DROPPED_IN, DROPPED_OWN)
"""What the lab's own rules of a customer's firewall count, whatever they let through."""
ICMP_ERRORS = {ICMP: (3, 11, 12), ICMPV6: (1, 2, 3, 4)}
"""Unreachable, too big, time exceeded, parameter problem: of a flow that passes (RFC 792, RFC 4443 3)."""


def check_f_01(case: Case) -> Finding:
    """Electronic Service Agent, direct: TCP 80 and 443."""
    check = Check(
        "F-01",
        "the rules let connections to listed servers out on TCP 443 and 80 and their replies back, and "
        "nothing passes that no rule asks for",
    )
    return _judge_direct(case, check, (443, 80))


def check_f_02(case: Case) -> Finding:
    """Electronic Service Agent for AIX, direct: TCP 443 alone."""
    check = Check(
        "F-02",
        "the rules let connections to listed servers out on TCP 443 alone and their replies back, and "
        "nothing passes that no rule asks for",
    )
    return _judge_direct(case, check, (443,))


def check_f_03(case: Case) -> Finding:
    """Direct Internet: TCP 443 opened from inside, and its replies."""
    check = Check(
        "F-03",
        "the rules let connections to listed servers out on TCP 443 and their replies back (NEW "
        "and ESTABLISHED, X-11), and nothing passes that no rule asks for",
    )
    return _judge_direct(case, check, (443,))


def _judge_direct(case: Case, check: Check, ports: tuple[int, ...]) -> Finding:
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    rules = rules_of(case, check.requirement)
    for rule in rules:
        if rule.protocol != "tcp" or rule.port not in ports or rule.both_ways:
            check.object(f"a rule admits {rule_text(rule)}")
    for port in ports:
        check.want(any(rule.port == port for rule in rules), f"no rule admits TCP {port}")
    judge_strangers(case, check)

    out = [f for f, p in case.leaving if p.is_bare_syn and _matches_any(case, p, rules)]
    back = [f for f, p in case.entering if p.is_syn_ack and p.source_port in ports]
    check.show([*out[:8], *back[:8]])
    if not case.called and not out:
        return check.not_tested("nothing called home in this run")
    check.need(Step.syn, out, "no SYN to TCP 443 passed the firewall")
    check.need(Step.connection, back, "no SYN/ACK came back through the firewall")
    counted = judge_counter(case, check, check.requirement, None if out else Step.syn)
    return check.finding(
        f"{count(len(out), 'SYN')} out and {count(len(back), 'SYN/ACK')} back on TCP "
        f"{' and '.join(map(str, ports))}{_unread(case)} by {count(len(rules), 'rule')}, {counted}; nothing "
        "else passed"
    )


def check_f_06(case: Case) -> Finding:
    """VPN without NAT: protocol 50 and UDP 500 in both directions."""
    check = Check(
        "F-06",
        "protocol 50 and UDP 500 pass the firewall in both directions by rules that ask for them, "
        "and nothing passes that no rule asks for",
    )
    return _judge_vpn(case, check, wanted=(("udp", 500), ("esp", 0)), unwanted=())


def check_f_07(case: Case) -> Finding:
    """VPN with NAT: UDP 500 and 4500 instead of protocol 50."""
    check = Check(
        "F-07",
        "UDP 500 and UDP 4500 pass the firewall in both directions by rules that ask for them; no "
        "rule admits protocol 50, and nothing passes that no rule asks for",
    )
    return _judge_vpn(case, check, wanted=(("udp", 500), ("udp", 4500)), unwanted=(("esp", 0),))


def _judge_vpn(
    case: Case,
    check: Check,
    *,
    wanted: tuple[tuple[str, int], ...],
    unwanted: tuple[tuple[str, int], ...],
) -> Finding:
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    rules = rules_of(case, check.requirement)
    kinds = {(rule.protocol, rule.port) for rule in rules}
    seen = []
    passed_out = False
    for kind in wanted:
        name = _name(*kind)
        check.want(kind in kinds, f"no rule asks for {name}")
        for rule in rules:
            if (rule.protocol, rule.port) == kind and not rule.both_ways:
                check.object(f"the rule for {name} to {rule.destination} admits one direction only")

        out = [f for f, p in case.leaving if _is(p, *kind, p.destination_port)]
        back = [f for f, p in case.entering if _is(p, *kind, p.source_port)]
        check.need(_STEPS[kind], out, f"no {name} passed to IBM", _arrived(case, kind))
        check.need(_STEPS[kind], back, f"no {name} passed from IBM")
        check.show([*out[:4], *back[:4]])
        passed_out = passed_out or bool(out)
        seen.append(f"{name} {len(out)} out and {len(back)} in")

    for kind in unwanted:
        if any((rule.protocol, rule.port) == kind for rule in all_rules(case)):
            check.object(f"a rule admits {_name(*kind)}")
        passed = [f for f, p in [*case.leaving, *case.entering] if p.protocol == PROTOCOLS[kind[0]]]
        check.forbid(passed, f"of {_name(*kind)} passed")

    judge_strangers(case, check)
    lacking = None if passed_out else Step.packets
    counted = judge_counter(case, check, check.requirement, lacking)
    return check.finding(
        f"passed: {', '.join(seen)}{_unread(case)} by {count(len(rules), 'rule')}, {counted}; nothing else "
        "passed"
    )


def check_f_08(case: Case) -> Finding:
    """VPN destinations limited to the VPN servers."""
    gateways = " and ".join(sorted(case.gateways))
    check = Check("F-08", f"the firewall lets VPN protocols out to {gateways} only")
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    for rule in all_rules(case):
        if (
            rule.protocol in ("udp", "esp")
            and rule.destination.removesuffix("/32") not in case.gateways
        ):
            check.object(f"a rule admits {rule_text(rule)}")

    destinations = set()
    for frame, packet in case.leaving:
        if packet.protocol in (UDP, ESP):
            destinations.add(packet.destination)
            check.show([frame])
            if packet.destination not in case.gateways:
                check.object(f"a packet passed to {packet.destination}", [frame])
    if not destinations and not case.tried("vpn"):
        return check.not_tested("nobody tried to come home by VPN")
    if not destinations and case.went_without("vpn"):
        words = (
            f"no packet of the VPN passed the firewall, and the calls went by {case.ways_used()}"
        )
        return check.not_tested(words)
    check.need(Step.packets, destinations, "no packet of the VPN passed the firewall")
    return check.finding(
        f"VPN packets went to {' and '.join(sorted(destinations))}; "
        f"{count(len(case.gateways), 'address', 'addresses')} stand in the rules"
    )


def all_rules(case: Case) -> tuple[AllowRule, ...]:
    firewall = case.topology.firewall
    return firewall.rules if firewall else ()


def rules_of(case: Case, requirement: str) -> list[AllowRule]:
    return [rule for rule in all_rules(case) if rule.requirement == requirement]


def _name(protocol: str, port: int) -> str:
    return "protocol 50" if protocol == "esp" else f"{protocol.upper()} {port}"


def rule_text(rule: AllowRule) -> str:
    ways = " both ways" if rule.both_ways else ""
    ports = f"-{rule.port_to}" if rule.port_to else ""
    return (
        f"{_name(rule.protocol, rule.port)}{ports} to {rule.destination}{ways} ({rule.requirement})"
    )


def _is(packet: Packet, protocol: str, port: int, seen_port: int) -> bool:
    is_ping = protocol == "icmp-echo" and packet.protocol == ICMPV6
    if packet.protocol != PROTOCOLS[protocol] and not is_ping:
        return False
    return port == 0 or packet.lacks_ports or seen_port == port


def _is_of(packet: Packet, rule: AllowRule, seen_port: int) -> bool:
    return _is(packet, rule.protocol, seen_port if rule.admits(seen_port) else rule.port, seen_port)


def _arrived(case: Case, kind: tuple[str, int]) -> list[Frame]:
    """What came to the firewall from inside."""
    entered = {(frame.segment, frame.number) for frame, _ in case.entering}
    return [
        f
        for f in case.inside_frames
        if f.ip and (f.segment, f.number) not in entered and _is(f.ip, *kind, f.ip.destination_port)
    ]


def _matches(case: Case, packet: Packet, rule: AllowRule) -> bool:
    """Whether a rule asks for a packet that left, by its fields after NAT."""
    hidden = case.snat and packet.version == 4
    right_source = hidden or is_in(packet.source, rule.source)
    right_end = case.is_opened(rule, packet.destination)
    return right_source and right_end and _is_of(packet, rule, packet.destination_port)


def _matches_any(case: Case, packet: Packet, rules: list[AllowRule]) -> bool:
    return any(_matches(case, packet, rule) for rule in rules)


def judge_strangers(case: Case, check: Check) -> None:
    """Default-deny: what passed must be asked for, or be the reply to what was."""
    rules = list(all_rules(case))
    flows: set[tuple[str, int, int]] = set()
    for frame, packet in case.leaving:
        flows.add((packet.destination, packet.protocol, packet.destination_port))
        if not _matches_any(case, packet, rules) and not is_icmp_error(packet):
            check.object(f"{_packet_text(packet)} passed without a rule", [frame])

    for frame, packet in case.entering:
        if case.is_injected(packet) or any(_is_between_networks(packet, each) for each in rules):
            continue
        reply = (packet.source, packet.protocol, packet.source_port) in flows
        asked = any(
            rule.both_ways
            and case.is_opened(rule, packet.source)
            and _is_of(packet, rule, packet.source_port)
            for rule in rules
        )
        # Of a fragment without ports nobody can say more than who sent it.
        unread = packet.lacks_ports and packet.source in {far for far, _, _ in flows}
        if packet.is_bare_syn or not (reply or asked or unread or is_icmp_error(packet)):
            check.object(f"{_packet_text(packet)} passed inwards without a rule", [frame])


def _is_between_networks(packet: Packet, rule: AllowRule) -> bool:
    """Whether a rule lets it, or what it answers, pass from one of the customer's networks to another."""
    ends = (packet.source, packet.destination, packet.destination_port)
    back = (packet.destination, packet.source, packet.source_port)
    asked = (rule.source, rule.destination, rule.port)
    return (
        bool(rule.towards) and packet.protocol == PROTOCOLS[rule.protocol] and asked in (ends, back)
    )


def is_icmp_error(packet: Packet) -> bool:
    return bool(packet.payload) and packet.payload[0] in ICMP_ERRORS.get(packet.protocol, ())


def _packet_text(packet: Packet) -> str:
    names = {TCP: "TCP", UDP: "UDP", ESP: "protocol 50", ICMP: "ICMP", ICMPV6: "ICMPv6"}
    name = names.get(packet.protocol, f"protocol {packet.protocol}")
    far, port = packet.destination, packet.destination_port
    return f"{name} from {packet.source} to {place(far, port) if port else far}"


def judge_counter(case: Case, check: Check, requirement: str, lacking: Step | None = None) -> str:
    """The rules' own counters agree that they were used; what they say, for after ``rule``.

    ``lacking``: what did not come about, where no packet passed by the rules that they could count.
    Somebody may have put other rules in the place of the lab's: then the wires are the only witness.
    """
    if not has_labs_rules(case):
        return "which were not there at the end, so that the wires alone tell what passed"
    firewall = case.topology.firewall
    counters = case.record.counters.get(firewall.node, {}) if firewall else {}
    prefix = f"allow-{requirement}-"
    own = {name: number for name, number in counters.items() if name.startswith(prefix)}
    total = sum(own.values())
    if not own:
        check.object(f"the firewall has no counter for {requirement}")
    elif total == 0:
        words = f"the rules for {requirement} counted no packet"
        if lacking is None:
            check.object(words)
        else:
            check.lack(lacking, words)
    return f"which counted {count(total, 'packet')}"


def has_labs_rules(case: Case) -> bool:
    """Whether the customer's firewall had the lab's own rules at the end: their counters were read then."""
    firewall = case.topology.firewall
    if firewall is None or find(case.topology.own_rules, firewall.node):
        return False
    return {*OWN_COUNTERS} <= case.record.counters.get(firewall.node, {}).keys()


def _unread(case: Case) -> str:
    """How many fragments passed of which nobody can read the ports."""
    number = sum(packet.lacks_ports for _, packet in (*case.leaving, *case.entering))
    return f", beside {count(number, 'fragment')} unread" if number else ""
