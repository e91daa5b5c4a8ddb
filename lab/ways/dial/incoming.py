"""Findings on what the customer's modem is not for: OUT-47."""

from __future__ import annotations

from lab.names import all_of, count
from lab.telephony.events import CallAnswered, CallRings, CallSilent, ModemSaid
from lab.telephony.outside_telephone import OUTSIDE
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.telephone_calls import TelephoneCall, answer
from lab.ways.dial import passage
from lab.ways.dial.dialling import opened_calls
from lab.ways.dial.events import RINGS

RING = "RING"


def check_out_47(case: Case) -> Finding:
    """An outbound-only modem answers nobody; an ID gets to IBM's servers alone; an address is a session's."""
    lig = case.lig
    check = Check(
        "OUT-47",
        f"a modem for outbound calls answers nobody, though it rings {RINGS} times (S0=0); each session has "
        "the address of the pool that it was given, and the ID leads to the servers of its list alone",
    )
    own = {d.client for d in case.dialers if not d.partition}
    if not own:
        return check.not_tested("no agent has a modem of its own")
    rang = [call for call in case.telephone_calls if call.caller == OUTSIDE]
    rings = [_judge_call(case, check, call) for call in rang]
    calls = [call for call in opened_calls(case) if call.client in own]
    for call in calls:
        bad = call.address not in lig.ppp.pool
        check.want(not bad, f"{call} had {call.address}, which is not of the pool")
    _judge_destinations(case, check, calls)
    if not rang:
        why = case.why_not_home
        return check.not_tested(
            f"{f'{why}, so nobody' if why else 'nobody'} called an agent's number"
        )
    addresses = [call.address for call in calls]
    check.show(frames_of(item for call in calls for item in call.frames[:1]))
    return check.finding(
        f"{count(len(rang), 'call')} from outside rang {all_of([f'{n}' for n in rings])} times, and no modem "
        f"answered; {count(len(calls), 'session')} had {', '.join(addresses)}, and talked to listed servers"
    )


def _judge_call(case: Case, check: Check, call: TelephoneCall) -> int:
    """How often a call rang."""
    since = next(
        (e.time for e in case.told(CallRings) if e.call == call.number), case.record.started
    )
    until = call.notes[-1].time if call.notes else case.record.ended
    said = [
        answer(each)
        for each in case.dialogue
        if isinstance(each, ModemSaid) and each.line == call.called
        if since <= each.time <= until
    ]
    name = f"the call from outside to {call.called or call.dialled}"
    check.want(call.called, f"{name} rang nowhere, so it proves nothing")
    if call.noted(CallAnswered) or call.connected:
        check.object(f"{call.called}'s modem answered {name}")
    elif call.noted(CallSilent):
        check.object(f"{call.called} went off hook in {name}")
    rings = said.count(RING)
    if call.called:
        check.want(rings >= RINGS, f"{name} rang {count(rings, 'time')}, and {RINGS} were wanted")
    return rings


def _judge_destinations(case: Case, check: Check, calls: list[TelephoneCall]) -> None:
    """What of a session's came out of AT&T's gateway goes to who is listed for the ID."""
    numbers = {call.number: call for call in calls}
    for sent in passage.of(case).sent:
        if sent.passed is None or sent.call is None or sent.call.number not in numbers:
            continue
        listed = {*case.lig.listed(numbers[sent.call.number].user), case.lig.utility}
        if sent.packet.destination not in listed:
            words = f"a packet of {sent.call} came out for {sent.packet.destination}"
            check.object(words, [sent.passed])
