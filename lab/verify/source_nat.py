"""OUT-03: what NAT the customer does, and who the servers see."""

from __future__ import annotations

from lab import ways
from lab.names import count
from lab.record.record import Transaction
from lab.verify import second_nat
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.firewall import is_icmp_error
from lab.verify.step import Step


def check_out_03(case: Case) -> Finding:
    """Source NAT is acceptable and not required."""
    nat = _sources_text(case)
    check = Check(
        "OUT-03",
        f"with SNAT {'on' if case.snat else 'off'}, all that leaves by {case.outside} comes from "
        f"{nat}{second_nat.claim(case)}"
        f"{', and that is who the server sees' if case.has_record and not case.why_no_ledger else ''}",
    )
    _judge_sources(case, check)
    changed = second_nat.judge(case, check)
    # A capture from outside has no ledger, and its packets still show who left.
    ledger = case.ledger if case.has_record else []
    kinds = dict.fromkeys(way.kind for way in case.topology.ways)
    _judge_callers(case, check, ledger, [*kinds])

    check.show(frame for frame, _ in case.leaving[:4])
    if not case.leaving and not case.called:
        return check.not_tested("nothing called home in this run, and nothing left")
    if not case.leaving and case.came_home_by_telephone:
        return check.not_tested(
            f"nothing left by {case.outside}: the calls went by {case.ways_used()}, past no NAT of the "
            "customer's"
        )
    first = Step.packets if "vpn" in kinds else Step.syn
    check.need(first, case.leaving, f"nothing left by {case.outside}")
    if case.called and not ledger and not case.why_no_ledger:
        check.lack(Step.connection, "no server recorded a caller")
    sources = sorted({p.source for _, p in case.leaving})
    peers = sorted({e.peer_ip for e in ledger})
    saw = f"; the server saw {', '.join(peers)}" if peers else ""
    if why := case.why_no_ledger:
        saw = f"; whom the servers saw is not told: {why}"
    return check.finding(
        f"{count(len(case.leaving), 'packet')} left, all from {', '.join(sources)}{changed}{saw}"
    )


def _judge_sources(case: Case, check: Check) -> None:
    """By its source, each packet that leaves is the customer's own to send."""
    right = case.outer_addresses | case.outer_proxies | case.outer_partitions
    for frame, packet in case.leaving:
        # What the firewall has to say of packets it says by itself (RFC 1812 4.3).
        said = packet.source == case.public_address and is_icmp_error(packet)
        if packet.source not in right and not said:
            check.object(f"a packet leaves with source {packet.source}", [frame])
    if case.snat:
        _object_to_private(case, check)


def _judge_callers(case: Case, check: Check, ledger: list[Transaction], kinds: list[str]) -> None:
    """Whom the servers saw are those that ways of these kinds call from."""
    callers = set[str]()
    if ledger:
        callers = callers.union(*(ways.stage(kind, "wires").callers(case) for kind in kinds))
    for entry in ledger:
        if entry.peer_ip not in callers:
            check.object(f"the server saw {entry.peer_ip}, not {' or '.join(sorted(callers))}")


def _sources_text(case: Case) -> str:
    if not case.snat:
        # The partitions whose IPsec is an agent's.
        lenders = (f"{name} ({ip})" for ip, name in case.partitions.items())
        return " and ".join([case.agents_text(), *lenders])
    own = sorted(case.outer_addresses - {case.public_address})
    by_ipv6 = f", or by IPv6 from {' and '.join(own)}, which no NAT changes" if own else ""
    return f"the firewall's {case.public_address}{by_ipv6}"


def _object_to_private(case: Case, check: Check) -> None:
    own = {*case.agent_addresses, *case.proxies, *case.partitions}
    hidden = own - case.outer_addresses - case.outer_proxies - case.outer_partitions
    for frame in case.outside_frames:
        ends = {frame.ip.source, frame.ip.destination} if frame.ip else set()
        for private in sorted(ends & hidden):
            check.object(f"the private address {private} is on {case.outside}", [frame])
