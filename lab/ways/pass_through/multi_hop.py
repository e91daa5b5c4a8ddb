"""Findings on the multi-hop VPN: OUT-27, OUT-28, OUT-29 and F-09.

What the partition is asked for is in clear on the wire that it has in common with the HMC; what it does for
that is in its own ESP. The two are compared PPP frame by PPP frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from lab.names import count
from lab.topology.model import AllowRule
from lab.topology.segment import Impairment
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.firewall import NO_FIREWALL, all_rules, is_icmp_error
from lab.verify.outbound import is_of_another_way, vpn_protocol
from lab.verify.passed_on import ClearCall, ClearL2tp, L2tpSeen, PassedCall, control, mark
from lab.ways.pass_through.plan import Borrower, PassThroughPlan, below
from lab.ways.vpn.negotiation import Negotiation, negotiations
from lab.ways.vpn.plan import FIREWALL_REQUIREMENTS, VpnPlan
from lab.wire import l2tp, ppp
from lab.wire.decode import Frame, Packet
from lab.wire.l2tp import ControlType

STEPS = (
    ControlType.SCCRQ,
    ControlType.SCCRP,
    ControlType.SCCCN,
    ControlType.ICRQ,
    ControlType.ICRP,
    ControlType.ICCN,
)
"""How a tunnel and a call come about (RFC 2661 5.1, 5.2.1)."""
SENT_BY_HMC = {ControlType.SCCRQ, ControlType.SCCCN, ControlType.ICRQ, ControlType.ICCN}
READABLE = {ppp.LCP: "LCP", ppp.CHAP: "CHAP", ppp.IPCP: "IPCP", ppp.IP: "IP"}
"""PPP in clear."""


@dataclass
class _Lent:
    """One agent that borrows the VPN of a partition, and what is on its wire."""

    case: Case
    way: VpnPlan
    below: PassThroughPlan
    borrower: Borrower
    clear: list[ClearL2tp] = field(default_factory=list)

    @property
    def client(self) -> str:
        return self.borrower.client

    @property
    def partition(self) -> str:
        return self.below.partition

    @cached_property
    def calls(self) -> list[ClearCall]:
        return [call for call in self.case.clear_calls if call.ends[0] == self.client]

    @cached_property
    def passed(self) -> list[PassedCall]:
        return [call for call in self.case.passed_calls if call.client == self.client]


def _lent(case: Case) -> list[_Lent]:
    """The agents that the multi-hop VPN is to be asked of."""
    found = []
    for node in case.vpn_agents:
        for way in case.topology.ways_of(node.name):
            lower = below(case.topology, way)
            if isinstance(way, VpnPlan) and lower is not None:
                own = [seen for seen in case.clear if seen.client == node.name]
                found.append(_Lent(case, way, lower, lower.borrower(node.name), own))
    return found


NONE_LENT = "no agent borrows the VPN of a partition"


def check_out_27(case: Case) -> Finding:
    """L2TP in clear to the partition, which makes the encrypted VPN to IBM."""
    lent = _lent(case)
    wires = " and ".join(dict.fromkeys(each.borrower.segment for each in lent))
    hmcs = " or ".join(each.client for each in lent)
    check = Check(
        "OUT-27",
        f"on {wires}: SCCRQ to ICCN and PPP in clear on UDP 1701; on {case.outside}: IKE and ESP of the "
        f"partition alone, and no packet of {hmcs}; each PPP frame in that ESP is one that is in clear",
    )
    case.need_keys()
    if not lent:
        return check.not_tested(NONE_LENT)
    if why := case.why_no_esp:
        return check.not_tested(why)
    seen = []
    for each in lent:
        names = _judge_clear(check, each)
        _judge_sources(case, check, each)
        frames = _judge_joint(case, check, each)
        seen.append(
            f"{each.client} to {each.partition} in clear: {count(len(each.calls), 'call')}, {names}; "
            f"{count(frames, 'PPP frame')} the same in ESP"
        )
    own = _judge_partition(case, check, lent)
    return check.finding(f"{'; '.join(seen)}; {own}")


def _judge_clear(check: Check, each: _Lent) -> str:
    """That tunnel and call come about in clear, step by step, and that PPP can be read."""
    times: dict[str, float] = {}
    for kind in STEPS:
        sent = kind in SENT_BY_HMC
        found = [s for s in control(each.clear, kind, each.client) if s.outgoing == sent]
        check.show(frames_of(found[:1]))
        times[kind.name] = found[0].frame.time if found else 0.0
        strange = [s for s in found if sent and s.packet.destination_port != l2tp.PORT]
        if strange:
            check.object(f"{kind.name} of {each.client} goes to another port", frames_of(strange))
    check.in_order(f"{each.client} to {each.partition} in clear", times, 0.0)
    kinds = Counter(seen.ppp.protocol for seen in each.clear if seen.ppp)
    for protocol in (ppp.LCP, ppp.CHAP, ppp.IPCP):
        name = READABLE[protocol]
        check.want(
            kinds[protocol], f"no {name} in clear between {each.client} and {each.partition}"
        )
    return ", ".join(f"{kinds[number]} of {name}" for number, name in READABLE.items())


def _judge_sources(case: Case, check: Check, each: _Lent) -> None:
    """The HMC sends nothing past the partition: not on its own wire, not on the way to the Internet."""
    node = case.topology.node(each.client)
    own = {*node.uplink.ips}
    sent = [(f, p) for f, p in case.packets(*case.exits) if p.source in own]
    out = [f for f, p in sent if not _beside(case, each, f, p)]
    check.forbid(out, f"of {each.client} on {case.outside}")
    for frame, packet in case.sent_by(each.client, node.uplink.segment):
        what = vpn_protocol(packet)
        if what and not case.is_pass_through(packet) and not _beside(case, each, frame, packet):
            check.object(f"{each.client} sends {what} itself, to {packet.destination}", [frame])


def _beside(case: Case, each: _Lent, frame: Frame, packet: Packet) -> bool:
    """Whether a packet is none of this VPN: of another way, of a VPN of the HMC's own, a lookup."""
    own = {c.gateway_address for c in case.connections(each.client) if c.client == each.client}
    of_own = packet.destination in own and bool(vpn_protocol(packet))
    return of_own or case.is_lookup(packet) or is_of_another_way(case, "vpn", frame, packet)


def _judge_partition(case: Case, check: Check, lent: Iterable[_Lent]) -> str:
    """IKE and ESP leave from the partitions, with their addresses or with what NAT makes of these."""
    names = dict.fromkeys(each.partition for each in lent)
    told = []
    for name in names:
        uplink = case.topology.node(name).uplink
        sent = [(f, vpn_protocol(p)) for f, p in case.sent_by(name, uplink.segment)]
        own = [(f, what) for f, what in sent if what and not (f.ip and case.is_pass_through(f.ip))]
        check.want(own, f"{name} sent neither IKE nor ESP")
        check.show([frame for frame, _ in own[:2]])
        kinds = Counter(what for _, what in own)
        told.append(f"{name} sent " + " and ".join(f"{n} of {what}" for what, n in kinds.items()))
    return "; ".join(told)


def _judge_joint(case: Case, check: Check, each: _Lent) -> int:
    """That the partition passes PPP on as it is; how many frames it passed on."""
    answered = [call for call in each.calls if _is_up(call)]
    joined = {id(call.near) for call in each.passed}
    for call in answered:
        if id(call) not in joined:
            problem = f"a call of {each.client} to {each.partition} is joined with none in ESP"
            check.object(problem, frames_of(call.items[:1]))
    passed = 0
    for beyond in each.passed:
        assert beyond.near is not None, "it has a client"
        for outgoing in (True, False):
            clear = [item for item in beyond.near.frames if item.outgoing == outgoing]
            sealed = [item for item in beyond.frames if item.outgoing == outgoing]
            ends = (clear, sealed) if outgoing else (sealed, clear)
            passed += _compare(case, check, each, *ends)
    check.want(passed, f"{each.partition} passed no PPP frame of {each.client} on")
    return passed


def _is_up(call: ClearCall) -> bool:
    assert call.items, "it has an ICRQ"
    return any(item.l2tp.control_type == ControlType.ICCN for item in call.items)


def _compare(
    case: Case,
    check: Check,
    each: _Lent,
    given: Iterable[L2tpSeen],
    passed: Iterable[L2tpSeen],
) -> int:
    """What one direction of a joint was given, and what it passed on: the same frames, in the same order.

    At the end of a call some may be under way; one that is missing before others has been lost. A wire that
    damages or repeats packets shows other frames than the partition sent.
    """
    left, right = [*given], [*passed]
    impaired = _impaired(case, each)
    frames = Counter(mark(item) for item in left)
    known = {*frames}
    for item in right:
        damaged = mark(item) not in known and any(i.corrupt for i in impaired)
        repeated = mark(item) in known and any(i.duplicate for i in impaired)
        if not frames[mark(item)] and not (damaged or repeated):
            problem = f"{each.partition} sends a PPP frame on that nobody gave it"
            check.object(problem, [item.frame])
        frames[mark(item)] -= 1
    rest = iter(left)
    lost: list[L2tpSeen] = []
    for item in right:
        skipped: list[L2tpSeen] = []
        for other in rest:
            if mark(other) == mark(item):
                lost += skipped
                break
            skipped.append(other)
    if lost and not impaired:
        check.object(
            f"{each.partition} did not pass {count(len(lost), 'PPP frame')} on", frames_of(lost)
        )
    return len(right)


def _impaired(case: Case, each: _Lent) -> list[Impairment]:
    """What the wires do to packets that have a frame in clear, and in ESP as far as it is looked at."""
    wires = {each.borrower.segment, case.topology.node(each.partition).uplink.segment, *case.exits}
    segments = (case.topology.segment(name) for name in wires)
    return [segment.impairment for segment in segments if segment.impairment]


def check_out_28(case: Case) -> Finding:
    """UDP 1701 goes both ways between HMC and partition, and comes before any IKE."""
    lent = _lent(case)
    check = Check(
        "OUT-28",
        "UDP 1701 of the partition is spoken to and answers; the partition begins IKE only while a call is "
        "there that an HMC has asked it for",
    )
    if not lent:
        return check.not_tested(NONE_LENT)
    seen = []
    for each in lent:
        out = [item for item in each.clear if item.outgoing]
        back = [item for item in each.clear if not item.outgoing]
        where = f"UDP 1701 between {each.client} and {each.partition}"
        check.want(out, f"{each.client} sent nothing on {where}")
        check.want(back, f"nothing of {where} comes back", frames_of(out))
        # Only who has had SCCRP sends SCCCN (RFC 2661 5.1).
        heard = [item for item in out if item.l2tp.control_type == ControlType.SCCCN]
        check.want(heard, f"{each.client} goes on as if nothing came back", frames_of(back))
        check.show(frames_of([*out[:1], *back[:1]]))
        seen.append(f"{where}: {len(out)} out and {len(back)} back")
    begun = 0
    for name in dict.fromkeys(each.partition for each in lent):
        calls = [call for call in case.clear_calls if call.ends[1] == name]
        for negotiation in _begun_by(case, name):
            begun += 1
            first = negotiation.messages[0].frame
            check.show([first])
            if not any(call.began <= first.time <= call.ended for call in calls):
                check.object(f"{name} begins IKE, and no HMC has asked it for a call", [first])
    return check.finding(
        f"{'; '.join(seen)}; {count(begun, 'negotiation')} of IKE, each after ICRQ"
    )


def _begun_by(case: Case, partition: str) -> list[Negotiation]:
    own = {ip for ip, name in case.partitions.items() if name == partition}
    sightings = [s for s in case.ike_inside if own & {s.packet.source, s.packet.destination}]
    return [n for n in negotiations(sightings) if n.messages[0].packet.source in own]


def check_out_29(case: Case) -> Finding:
    """The customer's firewall lets the partition establish the VPN."""
    lent = _lent(case)
    check = Check(
        "OUT-29",
        "the firewall's rules for IKE and ESP are for the partition's address, and by these the VPN passes; "
        "none is for an HMC that borrows it",
    )
    if not lent:
        return check.not_tested(NONE_LENT)
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    rules = [rule for rule in all_rules(case) if rule.requirement in FIREWALL_REQUIREMENTS]
    seen = []
    for name in dict.fromkeys(each.partition for each in lent):
        seen.append(_judge_rules(case, check, name, rules))
    own = {c.client_address for node in case.agents for c in case.connections(node.name)}
    for each in lent:
        for rule in rules:
            if rule.source.removesuffix("/32") in {each.borrower.address} - own:
                check.object(f"a rule lets {each.client} ({each.borrower.address}) itself out")
    # Behind NAT the firewall's address is everybody's.
    right = {case.public_address} if case.snat else own
    for frame, packet in case.leaving:
        # The firewall itself tells a gateway that a partition is gone.
        if is_icmp_error(packet):
            continue
        if packet.destination in case.gateways and packet.source not in right:
            check.object(f"{packet.source} gets out to {packet.destination} itself", [frame])
    return check.finding("; ".join(seen))


def _judge_rules(case: Case, check: Check, partition: str, rules: Iterable[AllowRule]) -> str:
    own = {ip for ip, name in case.partitions.items() if name == partition}
    admitting = [rule for rule in rules if rule.source.removesuffix("/32") in own]
    where = f"{partition} ({' and '.join(sorted(own))})"
    check.want(admitting, f"no rule lets {where} establish a VPN")
    uplink = case.topology.node(partition).uplink
    asked = [
        (f, p) for f, p in case.sent_by(partition, uplink.segment) if p.destination in case.gateways
    ]
    left = [f for f, p in case.leaving if p.destination in case.gateways]
    back = [f for f, p in case.entering if p.source in case.gateways and p.destination in own]
    check.show([*left[:2], *back[:2]])
    check.want(left, f"nothing of {where} passes to a gateway", [f for f, _ in asked])
    check.want(back, f"nothing of a gateway passes to {where}", left)
    passed = f"{len(left)} packets out to gateways and {len(back)} in"
    return f"{count(len(admitting), 'rule')} for {where}: {passed}"


def check_f_09(case: Case) -> Finding:
    """UDP 1701 both ways between HMC and partition, and the firewall's rules are for the partition's VPN."""
    lent = _lent(case)
    check = Check(
        "F-09",
        "UDP 1701 passes between HMC and partition in both directions, and neither comes to the customer's "
        "firewall nor has a rule there; the partition's VPN passes the firewall in both directions",
    )
    if not lent:
        return check.not_tested(NONE_LENT)
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    for rule in all_rules(case):
        if rule.protocol == "udp" and rule.admits(l2tp.PORT):
            check.object(f"a rule of the firewall admits UDP 1701 of {rule.source}")
    seen = []
    for each in lent:
        asked = sum(item.outgoing for item in each.clear)
        told = len(each.clear) - asked
        check.want(asked, f"no UDP 1701 of {each.client} to {each.partition}")
        check.want(told, f"no UDP 1701 of {each.partition} to {each.client}")
        check.show(frames_of(each.clear[:2]))
        ends = f"{each.client} and {each.partition}"
        seen.append(f"UDP 1701 between {ends}: {asked} out and {told} back")
    clear = [f for f, p in case.packets(*case.exits) if p.uses_udp(l2tp.PORT)]
    check.forbid([f for f in clear if f.ip and not case.is_pass_through(f.ip)], "of UDP 1701 leave")
    out = [f for f, p in case.leaving if p.destination in case.gateways]
    back = [f for f, p in case.entering if p.source in case.gateways]
    check.want(out, "nothing of the VPN passes the firewall to a gateway")
    check.want(back, "nothing of the VPN passes the firewall from a gateway")
    return check.finding(f"{'; '.join(seen)}; the VPN: {len(out)} packets out and {len(back)} in")
