"""Findings on the way home by telephone: OUT-23 to OUT-25, R-08, F-18."""

from __future__ import annotations

from itertools import pairwise
from math import inf

from lab.record import DialAttempt
from lab.topology.telephone import Dialer
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, count
from lab.verify.phone import PhoneCall, connected_calls, frames_of
from lab.wire import ppp

STOPPERS = ("", "ERROR", "NO DIALTONE")
"""After these no other number would do better: the modem or the line itself is at fault."""


def failed_calls(case: Case, check: Check) -> None:
    """Object to agents that did not get through."""
    for call in case.failed_calls:
        tried = "; ".join(call.attempts) or "no attempt is recorded"
        check.object(f"{call.agent} did not get through: {tried}")


def opened_calls(case: Case, client: str = "") -> list[PhoneCall]:
    """The calls on which IP was open."""
    return [c for c in case.phone_calls if c.opened < inf and client in ("", c.client)]


def check_out_23(case: Case) -> Finding:
    """Dial, PPP with PAP, the fence, and only then TLS sockets."""
    check = Check(
        "OUT-23",
        "for each call in this order: ATDT with a configured number, CONNECT, LCP, PAP Ack, IPCP Ack both "
        f"ways, first TCP SYN; nothing of the call home leaves by {case.outside}",
    )
    put_through = connected_calls(case.dialogue)
    steps = []
    for plan in case.topology.dialers:
        opened = opened_calls(case, plan.client)
        for call in opened:
            _judge_dialling(check, plan, call, put_through)
            steps.append(_order(case, check, call))
        if not opened:
            check.object(f"no call of {plan.client} got as far as IP")
    failed_calls(case, check)
    for frame, packet in case.leaving:
        check.object(f"a packet for {packet.destination} leaves by {case.outside}", [frame])
    return check.finding(f"{'; '.join(steps)}; nothing left by {case.outside}")


def _judge_dialling(
    check: Check, plan: Dialer, call: PhoneCall, put_through: dict[int, tuple[str, str]]
) -> None:
    caller, number = put_through.get(call.number, ("", ""))
    if caller != call.caller or not number:
        check.object(f"{call} carries data, and the dialogue shows nobody who dialled it")
    elif number not in plan.numbers:
        check.object(f"{plan.client} dialled {number}, which is not configured")


def _order(case: Case, check: Check, call: PhoneCall) -> str:
    """The steps of one call by their times; a SYN belongs to the call that was made for it."""
    lcp = call.in_ppp(ppp.LCP)
    acks = call.in_ppp(ppp.PAP, ppp.PapCode.ack)
    ipcp = call.in_ppp(ppp.IPCP, ppp.Code.configure_ack)
    syns = [i for i in call.frames if i.outgoing and i.data and i.data.is_bare_syn]
    steps = {
        "LCP": lcp[0][0].frame.time if lcp else 0.0,
        "PAP Ack": acks[0][0].frame.time if acks else 0.0,
        "IPCP open": call.opened,
    }
    if syns:
        steps["first SYN"] = syns[0].frame.time
    elif case.called and call is opened_calls(case, call.client)[0]:
        check.object(f"{call}: no TCP connection was opened")

    for name, time in steps.items():
        if time == 0.0:
            check.object(f"{call}: {name} did not come about")
            return ""
    for (before, early), (after, late) in pairwise(steps.items()):
        if late < early:
            check.object(f"{call}: {after} came {early - late:.3f} s before {before}")
    check.show(frames_of([lcp[0][0], acks[0][0], *(i for i, _ in ipcp[:2]), *syns[:1]]))
    told = ", ".join(f"{n} at {t - case.record.started:.3f} s" for n, t in steps.items())
    return f"{call}: {told}"


def check_out_24(case: Case) -> Finding:
    """The modem is found at boot."""
    check = Check(
        "OUT-24",
        "at boot each HMC asks its ports with AT until a modem says OK, before anybody dials; an HMC without "
        "a modem dials nothing",
    )
    found = []
    for plan in case.topology.dialers:
        probes = [p for p in case.record.modems if p.node == plan.client]
        dialled = [a for a in case.record.dialled if a.client == plan.client]
        right = [p.device for p in probes if p.found]
        asked = [p.device for p in probes]
        if asked != list(plan.devices[: len(asked)]) or (
            not right and len(asked) < len(plan.devices)
        ):
            check.object(f"{plan.client} asked {', '.join(asked) or 'no port'} for a modem")
        for probe in probes:
            if probe.found and probe.answer != "OK":
                check.object(f"{probe.device} of {plan.client} answered {probe.answer!r}")
            if dialled and probe.started > dialled[0].started:
                check.object(f"{plan.client} looked for its modem after it had dialled")
        if dialled and not right:
            check.object(f"{plan.client} dials without a modem")
        if any(a.device not in right for a in dialled):
            check.object(f"{plan.client} dials by another port than the modem's")
        _judge_greeting(case, check, plan.client, bool(right))
        found.append(f"{plan.client}: {', '.join(right) or 'no modem'}")
    return check.finding(f"found at boot, by {'; by '.join(found)}")


def _judge_greeting(case: Case, check: Check, client: str, found: bool) -> None:
    """In the dialogue itself: AT and OK come before the first number."""
    telephone = case.topology.telephone
    own = {line.name for line in telephone.lines if line.node == client} if telephone else set()
    said = [u for u in case.dialogue if u.line in own]
    first = next((n for n, u in enumerate(said) if u.dialled), len(said))
    greeted = next((n for n, u in enumerate(said[:first]) if u.text == "AT<CR>"), -1)
    answered = any(u.mark == "<" and u.text.endswith("OK<CR><LF>") for u in said[greeted:first])
    if found and (greeted < 0 or not answered):
        check.object(f"no AT of {client} was answered with OK before it dialled")


def check_out_25(case: Case) -> Finding:
    """One of several numbers, the next where one fails."""
    return _judge_numbers(case, "OUT-25")


def check_r_08(case: Case) -> Finding:
    """Several numbers are configured."""
    return _judge_numbers(case, "R-08")


def _judge_numbers(case: Case, requirement: str) -> Finding:
    check = Check(
        requirement,
        "each HMC dials its configured numbers in order, the next one only after a call that failed, and "
        "gives up when all have failed",
    )
    told = []
    later = False
    for plan in case.topology.dialers:
        attempts = [a for a in case.record.dialled if a.client == plan.client]
        for series in _series(attempts):
            told.append(_judge_series(case, check, plan, series))
            later |= len(series) > 1
        _judge_dialogue(case, check, plan.client, attempts)
    if not later:
        fewest = min((len(plan.numbers) for plan in case.topology.dialers), default=0)
        why = (
            "the first number was enough in every call" if fewest > 1 else "there is no next number"
        )
        return check.not_tested(why)
    return check.finding("; ".join(told))


def _series(attempts: list[DialAttempt]) -> list[list[DialAttempt]]:
    """Attempts until one succeeds: what belongs to one way home."""
    found: list[list[DialAttempt]] = []
    ended = True
    for attempt in attempts:
        if ended:
            found.append([])
        found[-1].append(attempt)
        ended = not attempt.failure
    return found


def _judge_series(case: Case, check: Check, plan: Dialer, series: list[DialAttempt]) -> str:
    order = (plan.numbers * plan.rounds)[: len(series)]
    numbers = tuple(a.number for a in series)
    if numbers != order:
        check.object(f"{plan.client} dialled {', '.join(numbers)}, not {', '.join(order)}")
    for earlier, after in pairwise(series):
        if after.started < earlier.ended:
            check.object(f"{plan.client} dialled {after.number} before {earlier.number} had failed")

    last = series[-1]
    if not last.failure:
        failures = ", ".join(f"{a.number}: {a.result or a.failure}" for a in series[:-1])
        reason = f" after {failures}" if failures else ""
        return f"{plan.client}: {last.number} answered{reason}"
    exhausted = len(series) == len(plan.numbers) * plan.rounds
    if not exhausted and last.result not in STOPPERS:
        check.object(f"{plan.client} gave up after {last.number}: {last.failure}")
    if plan.client not in case.record.error:
        check.object(f"{plan.client} had no answer, and no error says so")
    return f"{plan.client}: {count(len(series), 'attempt')}, none successful"


def _judge_dialogue(case: Case, check: Check, client: str, attempts: list[DialAttempt]) -> None:
    """What the exchange heard must be what the record says; not every attempt may have got so far."""
    recorded = [a.number for a in attempts]
    answered = [a.number for a in attempts if a.result]
    telephone = case.topology.telephone
    own = {line.name for line in telephone.lines if line.node == client} if telephone else set()
    heard = [u.dialled for u in case.dialogue if u.line in own and u.dialled]
    if heard not in (recorded, answered):
        check.object(
            f"the exchange heard {client} dial {', '.join(heard) or 'nothing'}, not "
            f"{', '.join(recorded) or 'nothing'}"
        )


def check_f_18(case: Case) -> Finding:
    """The customer's firewall needs no rule for a modem."""
    check = Check(
        "F-18",
        "the customer's firewall lets nothing through in either direction, has no rule that would, and the "
        "call home passes all the same",
    )
    wall = case.topology.firewall
    counters = case.record.counters.get(wall.node, {}) if wall else {}
    if wall and wall.rules:
        check.object(f"{wall.node} has {count(len(wall.rules), 'rule')} that let packets through")
    for name, packets in counters.items():
        if name.startswith("allow-"):
            check.object(f"rule {name} of the firewall let {count(packets, 'packet')} through")
    for frame, packet in case.leaving:
        check.object(f"a packet for {packet.destination} leaves by {case.outside}", [frame])
    for frame, packet in case.entering:
        if packet.destination in case.agent_addresses:
            check.object(f"a packet of {packet.source} enters by {case.inside}", [frame])
    through = sum(call.succeeded for call in case.record.calls)
    if not through:
        return check.not_tested("no call home came about")
    return check.finding(
        f"{count(through, 'call')} home with no rule; the firewall let 0 packets through"
    )
