"""Findings on PPP over the telephone: P-11, P-12, P-20; by the rules in ``fence``."""

from __future__ import annotations

from itertools import combinations
from math import inf

from lab.names import count
from lab.record.record import LigCall
from lab.telephony.events import HungUp, LineDropped
from lab.topology.ppp import PppAccount
from lab.topology.telephone import Lig
from lab.verify.case import Case
from lab.verify.finding import Finding, frames_of
from lab.verify.telephone_calls import TelephoneCall
from lab.ways.dial import passage
from lab.ways.dial.dialling import opened_calls
from lab.ways.dial.fence import LineCheck, agent_home
from lab.ways.dial.plan import dialers
from lab.wire import ppp
from lab.wire.calls import Carried
from lab.wire.ppp import Code, PapCode

ANY_ADDRESS = "0.0.0.0"


def check_p_11(case: Case) -> Finding:
    """AT&T's gateway authenticates callers by PAP, with account and user ID."""
    check = LineCheck(
        case,
        "P-11",
        "the gateway's LCP asks for PAP (C023) and nothing else, the peer-id is <account>.<user id> as "
        "agreed; the gateway says Ack to a right password, and IPCP comes only then; it says Nak to "
        "another, and ends the call",
    )
    let_in, refused = [], 0
    for call in case.telephone_calls:
        if not call.frames:
            continue
        _judge_demand(check, call)
        _judge_peer_id(case, check, call)
        _judge_order(check, call)
        refused += _judge_answers(case, check, call)
        if call.user:
            let_in.append(call.user)
    if not let_in and not refused:
        if not any(call.frames for call in case.telephone_calls):
            return check.not_tested("no call came about in this run")
        check.miss("the gateway let nobody in")
    users = f" of {', '.join(dict.fromkeys(let_in))}" if let_in else ""
    told = f"; {count(refused, 'wrong password')} refused" if refused else ""
    return check.finding(f"LCP option 3 is C023; {count(len(let_in), 'call')}{users} let in{told}")


def _judge_demand(check: LineCheck, call: TelephoneCall) -> None:
    demands = [
        (item, frame.authentication[0])
        for item, frame in call.in_ppp(ppp.LCP, Code.configure_request, outgoing=False)
        if frame.option(ppp.OPTION_AUTHENTICATION) is not None
    ]
    for item, protocol in demands:
        if protocol != ppp.PAP:
            check.object(f"the gateway asks {call} for {protocol:04X}", [item.frame])
    check.show(frames_of(item for item, _ in demands[:1]))
    if not demands and call.in_ppp(ppp.LCP) and not call.noted(LineDropped):
        check.miss(f"the gateway did not ask {call} to authenticate")
    if other := call.in_ppp(ppp.CHAP):
        check.object(f"CHAP in {call}", frames_of(item for item, _ in other))


def _judge_peer_id(case: Case, check: LineCheck, call: TelephoneCall) -> None:
    accounts = {d.client: d.account.user for d in dialers(case.topology)}
    agreed = accounts.get(call.client, "")
    for item, frame in call.in_ppp(ppp.PAP, PapCode.request):
        account, dot, user = frame.pap_user.partition(".")
        if frame.pap_user != agreed or not (account and dot and user):
            check.object(f"{call} names itself {frame.pap_user!r}, not {agreed!r}", [item.frame])
    facts = call.at_gateway
    if facts and facts.admitted and facts.user != call.user:
        check.miss(f"the gateway took {call} for one of {facts.user or 'nobody'}")


def _judge_order(check: LineCheck, call: TelephoneCall) -> None:
    """IPCP of the gateway comes after its Ack."""
    acks = call.in_ppp(ppp.PAP, PapCode.ack, outgoing=False)
    ipcp = [item.frame for item, _ in call.in_ppp(ppp.IPCP, outgoing=False)]
    check.show(frames_of(item for item, _ in acks[:1]))
    if ipcp and (not acks or ipcp[0].time < acks[0][0].frame.time):
        check.miss(f"the gateway began IPCP in {call} before PAP had succeeded", ipcp[:1])


def _judge_answers(case: Case, check: LineCheck, call: TelephoneCall) -> int:
    """Each request with its answer; how many were refused as they should be."""
    accounts = case.lig.ppp.accounts
    right = {_said(account) for account in accounts}
    requests = {f.identifier: f for _, f in call.in_ppp(ppp.PAP, PapCode.request, outgoing=True)}
    refused = 0
    for item, frame in call.in_ppp(ppp.PAP, PapCode.ack, PapCode.nak, outgoing=False):
        request = requests.get(frame.identifier)
        known = request is not None and request.content in right
        if frame.code == PapCode.ack and not known:
            check.object(f"the gateway let {call} in with a wrong password", [item.frame])
        elif frame.code == PapCode.nak and known:
            check.object(f"the gateway refused {call}", [item.frame])
        elif frame.code == PapCode.nak:
            refused += 1
            check.show([item.frame])
            _judge_refusal(check, call, item)
    return refused


def _said(account: PppAccount) -> bytes:
    """Peer-id and password as a request has them (RFC 1334 2.2.1)."""
    words = (account.user.encode(), account.secret.reveal().encode())
    return b"".join(bytes((len(word),)) + word for word in words)


def _judge_refusal(check: LineCheck, call: TelephoneCall, nak: Carried) -> None:
    """The gateway ends the call of a caller whom it refuses: by LCP, and by the modem."""
    ends = call.in_ppp(ppp.LCP, Code.terminate_request, outgoing=False)
    hung_up = call.noted(HungUp)
    kept = f"the gateway refused {call} and did not hang up"
    if not hung_up and not call.noted(LineDropped):
        check.object(kept, [nak.frame])
    elif not any(item.frame.time >= nak.frame.time for item, _ in ends):
        check.miss(kept, [nak.frame])


def check_p_12(case: Case) -> Finding:
    """A dynamic address from a pool for the time of the call."""
    check = LineCheck(
        case,
        "P-12",
        "the HMC's Configure-Request names 0.0.0.0, the gateway's Nak an address of the pool, which "
        "is then acknowledged, whatever a caller asks for; no address belongs to two calls at a time, and "
        "after a call it is free again",
    )
    lig = case.lig
    given = [
        _judge_lease(check, lig, call)
        for call in case.telephone_calls
        if call.in_ppp(ppp.IPCP, outgoing=False) and (call.address or not call.noted(LineDropped))
    ]
    answered = [call for call in case.record.lig if call.number]
    _judge_leases(check, answered)
    for refused in (call for call in case.record.lig if not call.number):
        taken = sum(c.answered <= refused.rang <= _end(c) for c in answered)
        if taken < len(lig.ppp.pool):
            check.object(f"a call on {refused.line} was left to ring with {taken} addresses in use")

    for call in opened_calls(case):
        facts = call.at_gateway
        if facts is None:
            check.object(f"the gateway knows nothing of {call}")
        elif facts.address != call.address:
            check.object(f"{call} has {call.address}, and the gateway gave {facts.address}")
    if not given:
        return check.not_tested("no call got as far as IPCP")
    again = len(given) - len(set(given))
    leased = [call for call in answered if call.admitted]
    # The gateway gives the first address that is free.
    if not again and any(0 < c.closed <= d.answered for c in leased for d in leased):
        check.miss("an address was not free again when its call had ended: none was given twice")
    return check.finding(
        f"0.0.0.0, Nak and Ack in {count(len(given), 'call')}: {', '.join(given)}; "
        f"{again} of these addresses had been another call's before"
    )


def _judge_lease(check: LineCheck, lig: Lig, call: TelephoneCall) -> str:
    """The address that a call was given."""
    asked = call.in_ppp(ppp.IPCP, Code.configure_request, outgoing=True)
    naks = call.in_ppp(ppp.IPCP, Code.configure_nak, outgoing=False)
    check.show(frames_of(i for i, _ in (*asked[:1], *naks[:1])))
    # A user's own dialler may ask for any address.
    if call.attempt and asked and asked[0][1].ip_address != ANY_ADDRESS:
        named = asked[0][1].ip_address or "nothing"
        check.object(f"{call} asks for {named}, not for any address", [asked[0][0].frame])
    unnamed = f"no Nak named an address of the pool to {call}"
    if not naks:
        check.miss(unnamed)
    elif naks[0][1].ip_address not in lig.ppp.pool:
        check.object(unnamed, frames_of(item for item, _ in naks))
    if call.address and call.address not in lig.ppp.pool:
        check.object(f"{call} was given {call.address}, which is not of the pool")
    if naks and call.address and naks[-1][1].ip_address != call.address:
        check.object(f"{call} was named {naks[-1][1].ip_address} and given {call.address}")
    return call.address


def _judge_leases(check: LineCheck, answered: list[LigCall]) -> None:
    for call, other in combinations(answered, 2):
        together = other.answered < _end(call) and call.answered < _end(other)
        if together and call.address and call.address == other.address:
            check.object(f"{call.line} and {other.line} had {call.address} at the same time")


def _end(call: LigCall) -> float:
    return call.closed or inf


def check_p_20(case: Case) -> Finding:
    """IP connections are allowed after PPP has been established."""
    lig = case.lig
    check = LineCheck(
        case,
        "P-20",
        f"an IP packet of a caller that comes before IPCP is open is not on {lig.outside}; later ones are",
    )
    sent = passage.of(case).sent
    opened = {call.number: call.opened for call in case.telephone_calls}
    early = [p for p in sent if p.call and p.frame.time < opened[p.call.number]]
    for p in early:
        if p.passed:
            check.object(
                f"a packet to {p.packet.destination} passed before IPCP was open", [p.passed]
            )
    check.show(p.frame for p in early[:4])
    if not any(t.requirement == "P-20" for t in case.record.fence_trials):
        if not agent_home(case):
            return check.not_tested(f"{case.why_not_home}, so nobody tried")
        check.miss("nobody tried")
    else:
        tried = {id(p) for p in passage.tried(case, "P-20")}
        came = any(id(p) in tried for p in early)
        check.want(came, "no packet came before IPCP was open, so the trial proves nothing")
    later = sum(p.passed is not None for p in sent) - sum(p.passed is not None for p in early)
    check.want(later, "no packet passed when IPCP was open, either")
    return check.finding(
        f"{count(len(early), 'packet')} before IPCP was open, not passed; {later} passed later"
    )
