"""How a failure of the way to a partition of i5/OS is told: by the ways that run over it."""

from __future__ import annotations

from dataclasses import replace

from lab.i5.events import PassThroughCleared
from lab.linux.l2tp_guard import IN_CLEAR_OUT
from lab.names import count
from lab.topology.units import show_percent
from lab.verify.case import Case
from lab.verify.firewall import all_rules
from lab.verify.journey import find_course, journeys
from lab.verify.passed_on import ClearL2tp, control
from lab.verify.symptom import Diagnosis, loss_of_all
from lab.ways.pass_through.causes import STOPS as STOPS
from lab.ways.pass_through.plan import Borrower, PassThroughPlan
from lab.ways.vpn.plan import FIREWALL_REQUIREMENTS
from lab.wire import arp
from lab.wire.decode import ICMP, Packet
from lab.wire.l2tp import ControlType

NO_CHECKSUM = bytes(2)
"""In the header of UDP: the sender made none (RFC 768); xl2tpd asks its kernel for that."""
DOUBTED = {
    "agent-failure",
    "chap-only-peer",
    "chap-refused",
    "no-ppp",
    "pap-only-peer",
    "pap-refused",
    "pool-empty",
    "udp-1701-one-way",
    "wrong-chap-secret",
    "wrong-pap-password",
}
"""Diagnoses that one damaged packet brings about, too: SCCCN, LCP, a password, an address of IPCP."""
DEAD_AFTER_S = 3.0
"""Of silence, with several packets unanswered."""


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Nothing: no agent comes home by it alone."""
    return None


def survived(case: Case, agent: str) -> Diagnosis | None:
    """Nothing: no agent comes home by it alone."""
    return None


# For the ways that run over it.


def of_way(case: Case, way: PassThroughPlan, agent: str) -> Diagnosis | None:
    """What keeps a partition from lending its VPN, before any gateway is to blame."""
    return of_clear(case, way, agent) or of_rules(case, way, agent)


def of_own_client(case: Case, way: PassThroughPlan, agent: str) -> Diagnosis | None:
    """Why a client of the user's own has no call that its partition passed on.

    It has called somebody else in clear, which its host's packet rules keep back (P-07); or it had a tunnel
    with the partition, and asked for no call, or for one that the partition cleared.
    """
    borrower, partition = way.borrower(agent), _who(way, way.borrower(agent))
    clear = [s for s in case.clear if s.client == agent and s.partition == way.partition]
    kept = sum(n for name, n in case.record.counters.get(agent, {}).items() if name == IN_CLEAR_OUT)
    if not clear and kept:
        return Diagnosis(
            "l2tp-elsewhere",
            f"{agent} sent {count(kept, 'packet')} of UDP 1701 in clear to others than {partition}, and "
            f"none to it; packet rules on {agent} dropped them (P-07)",
            f"call {borrower.partition_address}, which is LAB_PARTITION in the environment",
        )
    up = control(clear, ControlType.SCCCN, agent)
    asked = [*control(clear, ControlType.ICRQ, agent), *control(clear, ControlType.OCRQ, agent)]
    if up and not asked:
        return Diagnosis(
            "no-call-asked",
            f"{agent} opened an L2TP tunnel to {partition}, and asked for no call in it: no ICRQ on "
            f"{borrower.segment}, so {_ike_text(case, way)}",
            "have the client place an incoming call, ICRQ (RFC 2661 5.2.1)",
        )
    cleared = [e for e in case.told(PassThroughCleared) if e.client == agent and not e.far]
    if not cleared or cleared[-1].source != way.partition:
        return None
    return Diagnosis(
        "call-not-passed-on",
        cleared[-1].sentence,
        f"read wire/{borrower.segment}.pcapng at the CDN",
    )


def of_clear(case: Case, way: PassThroughPlan, agent: str) -> Diagnosis | None:
    """What is wrong between an agent's host and its partition: nothing else is to blame then."""
    borrower = way.borrower(agent)
    clear = [
        seen for seen in case.clear if seen.client == agent and seen.partition == way.partition
    ]
    return (
        _absent(case, way, borrower, clear)
        or _silent(case, way, borrower, clear)
        or _one_way(case, way, borrower, clear)
        or _died(case, way, borrower, clear)
    )


def _who(way: PassThroughPlan, borrower: Borrower) -> str:
    return f"{way.partition} ({borrower.partition_address})"


def _ike_text(case: Case, way: PassThroughPlan) -> str:
    """Whether the partition has begun IKE for anybody; nothing of one that lends no VPN."""
    own = {ip for ip, name in case.partitions.items() if name == way.partition}
    if not own:
        return ""
    begun = sum(sighting.packet.source in own for sighting in case.ike_inside)
    sent = count(begun, "IKE packet") if begun else "no IKE packet"
    return f"; {way.partition} sent {sent}"


def _absent(
    case: Case, way: PassThroughPlan, borrower: Borrower, clear: list[ClearL2tp]
) -> Diagnosis | None:
    """The partition is not on the wire: an HMC that looks for it by ARP has nobody to send L2TP to."""
    client, partition, address = borrower.client, way.partition, borrower.partition_address
    said = arp.read(case.wire[borrower.segment])
    asked = [m for m in said if (m.sender, m.target) == (borrower.address, address)]
    if clear or not asked or any(m.sender == address for m in said):
        return None
    return Diagnosis(
        "i5-silent",
        f"{_who(way, borrower)} is not on {borrower.segment}: {client} asked for its address by ARP "
        f"{count(len(asked), 'time')}, nobody answered, and no L2TP packet was sent{_ike_text(case, way)}",
        f"see whether {partition} runs, and whether it is on {borrower.segment}",
    )


def _silent(
    case: Case, way: PassThroughPlan, borrower: Borrower, clear: list[ClearL2tp]
) -> Diagnosis | None:
    """Nothing of the partition's ever came."""
    client, partition = borrower.client, way.partition
    asked = control(clear, ControlType.SCCRQ, client)
    if not asked or any(not seen.outgoing for seen in clear):
        return None
    sent = count(sum(seen.outgoing for seen in clear), "L2TP packet")
    return Diagnosis(
        "i5-silent",
        f"{_who(way, borrower)} is silent: {sent} of {client} to UDP 1701 on {borrower.segment}, none "
        f"answered{_ike_text(case, way)}",
        f"see whether {partition} runs, and whether UDP 1701 of {client} gets to it (OUT-28)",
    )


def _one_way(
    case: Case, way: PassThroughPlan, borrower: Borrower, clear: list[ClearL2tp]
) -> Diagnosis | None:
    """The partition answers, and the HMC goes on as if it did not."""
    asked = [seen for seen in clear if seen.l2tp.control_type == ControlType.SCCRQ]
    answers = [seen for seen in clear if seen.l2tp.control_type == ControlType.SCCRP]
    if not answers or any(seen.l2tp.control_type == ControlType.SCCCN for seen in clear):
        return None
    client, partition = borrower.client, way.partition
    out, back = count(len(asked), "SCCRQ", "SCCRQs"), count(len(answers), "SCCRP", "SCCRPs")
    return Diagnosis(
        "udp-1701-one-way",
        f"UDP 1701 goes one way: {_who(way, borrower)} answers {out} of {client} with {back}, and {client} "
        f"takes none, so it asks for no call{_ike_text(case, way)}",
        f"let UDP 1701 pass between {client} and {partition} in both directions (OUT-28)",
    )


def _died(
    case: Case, way: PassThroughPlan, borrower: Borrower, clear: list[ClearL2tp]
) -> Diagnosis | None:
    """The partition sent until a moment, and then nothing to anybody; not so if only a gateway ends."""
    client, partition = borrower.client, way.partition
    uplinks = dict.fromkeys((borrower.segment, case.topology.node(partition).uplink.segment))
    sent = [f.time for wire in uplinks for f, p in case.sent_by(partition, wire) if not _is_icmp(p)]
    last = max(sent, default=0.0)
    after = [seen for seen in clear if seen.outgoing and seen.frame.time > last]
    if not last or len(after) < 2 or (waited_s := after[-1].frame.time - last) < DEAD_AFTER_S:
        return None
    return Diagnosis(
        "i5-died",
        f"{_who(way, borrower)} died in mid-session: it sent until {last - case.record.started:.1f} s, "
        f"then left {count(len(after), 'L2TP packet')} of {client} unanswered for {waited_s:.1f} s",
        f"see why {partition} ended; an HMC that is to survive that needs another way home",
    )


def _is_icmp(packet: Packet) -> bool:
    """By ICMP a host may say that its daemons are gone."""
    return packet.protocol == ICMP


def of_rules(case: Case, way: PassThroughPlan, agent: str) -> Diagnosis | None:
    """The firewall stops the partition's IKE, as its rules are for the HMC's address (OUT-29)."""
    borrower = way.borrower(agent)
    firewall = case.topology.firewall
    own = {ip for ip, name in case.partitions.items() if name == way.partition}
    if firewall is None or not own:
        return None
    rules = [rule for rule in all_rules(case) if rule.requirement in FIREWALL_REQUIREMENTS]
    sources = {rule.source.removesuffix("/32") for rule in rules}
    if sources & own or borrower.address not in sources:
        return None
    lost = []
    for address, gateway in case.gateways.items():
        course = find_course(case.topology, way.partition, gateway)
        for source in own if course is not None else ():
            assert course is not None
            found = [j for j in journeys(case, course, source, address) if not j.packet.is_fragment]
            loss = loss_of_all(found, course)
            if loss is not None and loss.lost_at == firewall.node:
                lost.append((gateway, loss))
    if not lost:
        return None
    where = " and ".join(sorted(own))
    told = " and ".join(f"{count(loss.sent, 'packet')} to {gateway}" for gateway, loss in lost)
    return Diagnosis(
        "i5-vpn-refused",
        f"{firewall.node} does not let {way.partition} ({where}) establish the VPN: {told} on "
        f"{lost[0][1].last_segment}, none on {lost[0][1].next_segment}; its rules for the VPN are for "
        f"{agent} ({borrower.address})",
        f"give the rules for the VPN the address of {way.partition}, {where} (OUT-29)",
    )


def with_clearing(case: Case, way: PassThroughPlan, agent: str, found: Diagnosis) -> Diagnosis:
    """A diagnosis, and what the partition told the HMC of it as it cleared the call."""
    told = _clearing(case, agent)
    if not told:
        return found
    said = f"{found.sentence}; {way.partition} clears the call of {agent}: {told}"
    return replace(found, sentence=said)


def _clearing(case: Case, agent: str) -> str:
    """Why the partition cleared the HMC's last call, in its words; empty if it did not say."""
    ends = (ControlType.CDN, ControlType.StopCCN)
    cleared = [s for s in case.clear if s.client == agent and s.l2tp.control_type in ends]
    told = [s.l2tp.result for s in cleared if not s.outgoing]
    # Without a word of the partition's it is the end of a call, which is the consequence and no reason.
    return told[-1] if told and ": " in told[-1] else ""


def with_damage(
    case: Case, way: PassThroughPlan, agent: str, found: Diagnosis | None
) -> Diagnosis | None:
    """A diagnosis, and that a link damages L2TP without a UDP checksum: each end takes it as it stands.

    So a right password may be refused. Where nothing else is found, that is the diagnosis of a way that did
    not come up, and of a call that the partition cleared for a reason.
    """
    borrower = way.borrower(agent)
    link = case.topology.segment(borrower.segment)
    bits = link.impairment.corrupt if link.impairment else 0.0
    own = [s for s in case.clear if s.client == agent and s.partition == way.partition]
    bare = any(s.outgoing and s.packet.body[6:8] == NO_CHECKSUM for s in own)
    failed = case.record.path_up == 0.0 or _clearing(case, agent)
    doubted = found.cause in DOUBTED if found else failed
    if not (bits and bare and doubted):
        return found
    said = (
        f"L2TP of {agent} has no UDP checksum on {link.name}, a link that corrupts "
        f"{show_percent(bits)} of all packets, so nobody notices what is damaged there"
    )
    hint = f"take corrupt: off {link.name}, and see whether the failure stays"
    if found is None:
        return Diagnosis("corrupted-l2tp", said, hint)
    return replace(found, sentence=f"{found.sentence}; {said}", hint=f"{hint}; then {found.hint}")
