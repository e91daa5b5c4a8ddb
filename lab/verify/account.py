"""Findings on PPP over the telephone: P-11, P-12, P-20."""

from __future__ import annotations

from math import inf

from lab.record import LigCall
from lab.topology.telephone import Lig
from lab.verify import passage
from lab.verify.case import Case
from lab.verify.dial import opened_calls
from lab.verify.finding import Check, Finding, count
from lab.verify.phone import PhoneCall, frames_of
from lab.wire import ppp
from lab.wire.ppp import Code, PapCode

ANY_ADDRESS = "0.0.0.0"


def check_p_11(case: Case) -> Finding:
    """AT&T's gateway authenticates callers by PAP, with account and user ID."""
    check = Check(
        "P-11",
        "the gateway's LCP asks for PAP (C023) and nothing else, the peer-id is <account>.<user id> as "
        "agreed, the gateway says Ack, and IPCP comes only then; who is refused is hung up on",
    )
    users = []
    for call in case.phone_calls:
        _judge_demand(check, call)
        user = _judge_pap(case, check, call)
        users.append(user)
    if not any(users) and not case.phone_calls:
        return check.not_tested("no call came about in this run")
    if not any(users):
        check.object("the gateway let nobody in")
    named = ", ".join(dict.fromkeys(filter(None, users)))
    return check.finding(f"LCP option 3 is C023; {count(len(users), 'call')} of {named} let in")


def _judge_demand(check: Check, call: PhoneCall) -> None:
    demands = [
        (item, frame.authentication[0])
        for item, frame in call.in_ppp(ppp.LCP, Code.configure_request)
        if not item.outgoing and frame.option(ppp.OPTION_AUTHENTICATION) is not None
    ]
    for item, protocol in demands:
        if protocol != ppp.PAP:
            check.object(f"the gateway asks {call} for {protocol:04X}", [item.frame])
    check.show(frames_of(item for item, _ in demands[:1]))
    if not demands and call.in_ppp(ppp.LCP):
        check.object(f"the gateway did not ask {call} to authenticate")
    if other := call.in_ppp(ppp.CHAP):
        check.object(f"CHAP in {call}", frames_of(item for item, _ in other))


def _judge_pap(case: Case, check: Check, call: PhoneCall) -> str:
    """The user who was let in."""
    accounts = {d.client: d.account.user for d in case.topology.dialers}
    agreed = accounts.get(call.client, "")
    requests = call.in_ppp(ppp.PAP, PapCode.request)
    acks = call.in_ppp(ppp.PAP, PapCode.ack)
    naks = call.in_ppp(ppp.PAP, PapCode.nak)
    ipcp = [(item, frame) for item, frame in call.in_ppp(ppp.IPCP) if not item.outgoing]
    check.show(frames_of(item for item, _ in (*requests[:1], *acks[:1])))
    for item, frame in requests:
        account, dot, user = frame.pap_user.partition(".")
        if frame.pap_user != agreed or not (account and dot and user):
            check.object(f"{call} names itself {frame.pap_user!r}, not {agreed!r}", [item.frame])

    if ipcp and (not acks or ipcp[0][0].frame.time < acks[0][0].frame.time):
        check.object(
            f"the gateway began IPCP in {call} before PAP had succeeded", [ipcp[0][0].frame]
        )
    if naks:
        check.object(f"the gateway refused {call}", frames_of(i for i, _ in naks))
        if call.facts and not call.facts.closed:
            check.object(f"the gateway refused {call} and did not hang up")
    if call.facts and call.facts.user != call.user:
        check.object(f"the gateway took {call} for one of {call.facts.user or 'nobody'}")
    return call.user


def check_p_12(case: Case) -> Finding:
    """A dynamic address from a pool for the time of the call."""
    check = Check(
        "P-12",
        "the caller's Configure-Request names 0.0.0.0, the gateway's Nak an address of the pool, which "
        "is then acknowledged; no address belongs to two calls at a time, and after a call it is free "
        "again",
    )
    lig = case.topology.lig
    assert lig is not None, "topologies without a gateway do not expect it"
    given = [
        _judge_lease(check, lig, call)
        for call in case.phone_calls
        if any(not item.outgoing for item, _ in call.in_ppp(ppp.IPCP))
    ]
    answered = [call for call in case.record.lig if call.number]
    _judge_leases(check, answered)
    for refused in (call for call in case.record.lig if not call.number):
        taken = sum(c.answered <= refused.rang <= _end(c) for c in answered)
        if taken < len(lig.ppp.pool):
            check.object(f"a call on {refused.line} was left to ring with {taken} addresses in use")

    for call in opened_calls(case):
        if call.facts and call.facts.address != call.address:
            check.object(f"{call} has {call.address}, and the gateway gave {call.facts.address}")
    if not given:
        return check.not_tested("no call got as far as IPCP")
    again = len(given) - len(set(given))
    return check.finding(
        f"0.0.0.0, Nak and Ack in {count(len(given), 'call')}: {', '.join(given)}; "
        f"{again} of these addresses had been another call's before"
    )


def _judge_lease(check: Check, lig: Lig, call: PhoneCall) -> str:
    """The address that a call was given."""
    asked = [(i, f) for i, f in call.in_ppp(ppp.IPCP, Code.configure_request) if i.outgoing]
    naks = [(i, f) for i, f in call.in_ppp(ppp.IPCP, Code.configure_nak) if not i.outgoing]
    check.show(frames_of(i for i, _ in (*asked[:1], *naks[:1])))
    if asked and asked[0][1].ip_address != ANY_ADDRESS:
        named = asked[0][1].ip_address or "nothing"
        check.object(f"{call} asks for {named}, not for any address", [asked[0][0].frame])
    if not naks or naks[0][1].ip_address not in lig.ppp.pool:
        check.object(
            f"no Nak named an address of the pool to {call}", frames_of(i for i, _ in naks)
        )
    if call.address and call.address not in lig.ppp.pool:
        check.object(f"{call} was given {call.address}, which is not of the pool")
    if naks and call.address and naks[-1][1].ip_address != call.address:
        check.object(f"{call} was named {naks[-1][1].ip_address} and given {call.address}")
    return call.address


def _judge_leases(check: Check, answered: list[LigCall]) -> None:
    for number, call in enumerate(answered):
        for other in answered[number + 1 :]:
            together = other.answered < _end(call) and call.answered < _end(other)
            if together and call.address and call.address == other.address:
                check.object(f"{call.line} and {other.line} had {call.address} at the same time")


def _end(call: LigCall) -> float:
    return call.closed or inf


def check_p_20(case: Case) -> Finding:
    """IP connections are allowed after PPP has been established."""
    lig = case.topology.lig
    assert lig is not None, "topologies without a gateway do not expect it"
    check = Check(
        "P-20",
        f"an IP packet of a caller that comes before IPCP is open is not on {lig.outside}; later ones are",
    )
    sent = passage.of(case).sent
    early = [p for p in sent if p.call and p.frame.time < p.call.opened]
    for p in early:
        if p.passed:
            check.object(
                f"a packet to {p.packet.destination} passed before IPCP was open", [p.passed]
            )
    check.show(p.frame for p in early[:4])
    if not any(t.requirement == "P-20" for t in case.record.fence_trials):
        if not case.called or case.failed_calls:
            return check.not_tested("no call home came about, so nobody tried")
        check.object("nobody tried")
    elif not early and passage.noisy(case):
        return check.not_tested("the noise on the line has spoilt the trial")
    elif not early:
        check.object("no packet came before IPCP was open, so the trial proves nothing")
    later = sum(p.passed is not None for p in sent) - sum(p.passed is not None for p in early)
    return check.finding(
        f"{count(len(early), 'packet')} before IPCP was open, not passed; {later} passed later"
    )
