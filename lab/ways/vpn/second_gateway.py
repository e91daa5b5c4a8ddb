"""The finding on the second VPN server: R-07."""

from __future__ import annotations

from lab.names import count
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.passed_on import control
from lab.verify.sightings import IkeSighting
from lab.ways.vpn.ike import SLACK_S
from lab.ways.vpn.plan import IpsecConnection
from lab.wire.l2tp import ControlType

SILENT_S = 3.0
"""Of packets without an answer: less may be the last words of a session that was ended."""


def check_r_07(case: Case) -> Finding:
    """Two VPN servers: the second takes over when the first is silent."""
    check = Check(
        "R-07",
        "where the first VPN server is silent, IKE goes to the second after the retransmit budget, "
        "and never to both at a time",
    )
    seen, put_to_test = [], False
    for node in case.vpn_agents:
        own = case.connections(node.name)
        if len(own) < 2:
            check.object(f"{node.name} has no second VPN server")
            continue
        lender = case.lender(node.name)
        if lender and not control(case.clear, ControlType.ICRQ, node.name):
            seen.append(f"{node.name} asked {lender} for no call, so {lender} tried no VPN server")
            continue
        text, tested = _takeover(case, check, node.name, *own[:2])
        seen.append(text)
        put_to_test = put_to_test or tested
    if not put_to_test:
        return check.not_tested("not put to the test: " + "; ".join(seen))
    return check.finding("; ".join(seen))


def _takeover(
    case: Case, check: Check, agent: str, first: IpsecConnection, second: IpsecConnection
) -> tuple[str, bool]:
    ike = case.ike_inside
    to_first, to_second = (
        [s for s in ike if _between(s, c, case.near_addresses(c))] for c in (first, second)
    )
    answers = [s for s in to_first if not s.outgoing]

    if not to_second:
        if answers:
            late_s = answers[0].frame.time - to_first[0].frame.time
            return f"{first.gateway} answered {first.client} after {late_s * 1000:.0f} ms", False
        check.object(f"{first.gateway} was silent, and {first.client} did not try {second.gateway}")
        return "", True

    own = case.is_own_client(first.client)
    if own and not to_first:
        return f"{first.client}'s own client asked {second.gateway} only", False
    began = to_second[0].frame.time
    fell_silent = case.silence(first, began)
    had_session = any(each.connection == first.name for each in case.record.ike)
    if answers and not (had_session and fell_silent and fell_silent.seconds > SILENT_S):
        return f"{first.gateway} was not silent to {first.client}, but did not agree with it", False
    check.show(frames_of([*to_first[:3], *to_second[:3]]))
    if to_first and not answers and not own:
        budget_s = first.retransmit_budget_s
        waited_s = began - to_first[0].frame.time
        if abs(waited_s - budget_s) > SLACK_S + 0.1 * budget_s:
            check.object(
                f"{second.gateway} was tried after {waited_s:.1f} s; the budget is {budget_s:.1f} s"
            )
    if not to_first:
        check.object(f"{second.gateway} was tried before {first.gateway}")
    both = [s.frame for s in to_first if s.frame.time > began]
    if both:
        check.object(f"IKE goes to {first.gateway} and {second.gateway} at a time", both)
    if case.record.gateway_in_use.get(agent) != second.gateway:
        check.object(f"{second.gateway} did not take over for {agent}")

    silent = to_first[-1].frame.time if to_first else began
    return (
        f"{first.client}: {count(len(to_first), 'IKE packet')} with {first.gateway}, "
        f"{len(answers)} of them "
        f"answers, until {began - silent:.1f} s before {second.gateway} was tried and took over"
    ), True


def _between(sighting: IkeSighting, connection: IpsecConnection, near: set[str]) -> bool:
    ends = {sighting.packet.source, sighting.packet.destination}
    return connection.gateway_address in ends and bool(ends & near)
