"""Findings on the way home by telephone: OUT-23 to OUT-26, R-08, F-18."""

from __future__ import annotations

from itertools import pairwise, takewhile
from math import inf

from lab.i5.events import PartitionDialled
from lab.names import count
from lab.record.dial_event import Dialled
from lab.record.trial_event import OwnRuleTried
from lab.telephony.events import ModemSaid, TerminalSaid
from lab.topology.model import Firewall
from lab.topology.user_targets import REQUIREMENT as ENTERED
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.firewall import NO_FIREWALL, has_labs_rules
from lab.verify.outbound import object_to_failed_calls
from lab.verify.own_firewall import judge_own_firewall
from lab.verify.step import Step
from lab.verify.telephone_calls import (
    CONNECT,
    ERROR,
    NO_DIALTONE,
    TelephoneCall,
    answer,
    dialled,
    dials,
)
from lab.ways.dial.plan import Dialer, dialers
from lab.wire import ppp
from lab.wire.calls import Carried
from lab.wire.decode import Packet
from lab.wire.isakmp import IKE_PORT

STOPPERS = ("", ERROR, *NO_DIALTONE)
"""After these no other number would do better: the modem or the line itself is at fault."""


def opened_calls(case: Case, client: str = "") -> list[TelephoneCall]:
    """The calls on which IP was open."""
    return [c for c in case.telephone_calls if c.opened < inf and client in ("", c.client)]


def attempts_of(case: Case, plan: Dialer) -> list[Dialled]:
    """What a client's dialler tried by the modem that the plan names, in order."""
    borrowed = bool(plan.partition)
    return [
        attempt
        for attempt in case.record.dialled
        if attempt.source == plan.client and bool(attempt.device) is not borrowed
    ]


def dialled_by(case: Case, node: str) -> list[Dialled | PartitionDialled]:
    """What was tried by a node's own modems, for itself or as a partition for others; in order."""
    own = [a for a in case.record.dialled if a.source == node and a.device]
    lent = [event for event in case.told(PartitionDialled) if event.source == node]
    return sorted([*own, *lent], key=lambda tried: tried.started)


KIND = "dial"


def check_out_23(case: Case) -> Finding:
    """Dial, PPP with PAP, the fence, and only then TLS sockets."""
    check = Check(
        "OUT-23",
        "for each call in this order: ATDT with a configured number, CONNECT, LCP, PAP Ack, IPCP Ack both "
        f"ways, first {_first_text(case)}; IBM is not spoken to on {case.inside}"
        f"{_and_nothing(case, 'leaves')}",
    )
    steps = []
    for plan in case.dialers:
        # What a user dials by hand beside the lab's own calls is his own business.
        lines = {line.name for line in case.topology.lines_of(plan.modem_node)}
        opened = [call for call in opened_calls(case, plan.client) if call.caller in lines]
        opened = [call for call in opened if call.attempt] or opened
        for call in opened:
            _judge_dialling(check, plan, call)
            steps.append(_order(case, check, call))
        others = {d.modem_node for d in case.dialers if d.client == plan.client} - {plan.modem_node}
        if not opened and _came_by(case, plan.client, others):
            # The modem of another way had a call that came: this one was a backup, or failed before.
            continue
        if not attempts_of(case, plan) and not opened:
            check.lack(Step.call, f"{plan.client} dialled nothing")
        elif not opened:
            check.lack(Step.address, f"no call of {plan.client} got as far as IP")
        elif case.called and not any(_first(case, call) for call in opened):
            what = _either({_carries_vpn(case, call) for call in opened}, "TCP connection")
            check.lack(Step.syn, f"no {what} was opened in a call of {plan.client}")
    object_to_failed_calls(case, check, "dial")
    steps.append(_judge_uplink(case, check))
    return check.finding("; ".join(filter(None, steps)))


def _came_by(case: Case, client: str, nodes: set[str]) -> bool:
    """Whether a client had IP open on a call by a modem of one of these nodes."""
    lines = {line.name for node in nodes for line in case.topology.lines_of(node)}
    return any(call.caller in lines for call in opened_calls(case, client))


def _judge_dialling(check: Check, plan: Dialer, call: TelephoneCall) -> None:
    """What terminal and modem said before the call carried anything."""
    if call.command is None or dialled(call.command) not in ("", call.dialled):
        check.object(f"{call} carries data, and the dialogue shows nobody who dialled it")
    elif call.dialled not in plan.numbers:
        check.object(f"{plan.client} dialled {call.dialled}, which is not configured")
    if not call.answer.startswith(CONNECT):
        check.object(f"{call} carries data after {call.answer or 'no answer of the modem'}")


def _judge_uplink(case: Case, check: Check) -> str:
    """The customer's wires carry nothing of the call home."""
    lig = case.lig
    far = {lig.utility, *lig.ppp.pool, *(address for address, _ in case.listed)}
    far |= {address for each in lig.lists for address in each.addresses}
    for frame in case.inside_frames:
        ends = {frame.ip.source, frame.ip.destination} if frame.ip else set()
        if (theirs := ends & far) and case.only_by(KIND, frame.time):
            check.object(f"a packet from or to {min(theirs)} is on {frame.segment}", [frame])
    for frame, packet in case.leaving:
        if case.only_by(KIND, frame.time):
            check.object(f"a packet for {packet.destination} leaves by {frame.segment}", [frame])
    but = " but in L2TP" if any(plan.partition for plan in case.dialers) else ""
    return f"nothing of it was on {case.inside}{but}{_and_nothing(case, 'left')}"


def _and_nothing(case: Case, leaves: str) -> str:
    return f", and nothing {leaves} by {case.outside}" if case.exits else ""


def _carries_vpn(case: Case, call: TelephoneCall) -> bool:
    """Whether a call carries a VPN, in which its TCP is: it is for the way that was tried last before it."""
    own, at = case.topology.ways_of(call.client), call.attempt.started if call.attempt else 0.0
    tried = [t.way for t in case.record.tries if t.agent == call.client and t.started <= at]
    ways = [way for way in own if way.name in tried[-1:] and case.goes_by(KIND, way)] or own
    return any(map(case.topology.is_in_calls, ways))


def _first_text(case: Case) -> str:
    ways = [way for plan in case.dialers for way in case.topology.ways_of(plan.client)]
    vpn = {case.topology.is_in_calls(way) for way in ways if case.goes_by(KIND, way)}
    return _either(vpn, "TCP SYN")


def _either(vpn: set[bool], plain: str) -> str:
    return " or ".join(text for text, over in ((plain, False), ("IKE", True)) if over in vpn)


def _first(case: Case, call: TelephoneCall) -> list[Carried]:
    """What opens the call home, and does not try the fence: TCP, or IKE where a VPN goes by the call."""
    opens = _is_ike if _carries_vpn(case, call) else _is_syn
    opening = (i for i in call.frames if i.outgoing and i.data and opens(i.data))
    return [item for item in opening if item.data and not case.is_trial(item.data)]


def _is_syn(packet: Packet) -> bool:
    return packet.is_bare_syn


def _is_ike(packet: Packet) -> bool:
    return packet.uses_udp(IKE_PORT)


def _order(case: Case, check: Check, call: TelephoneCall) -> str:
    """The steps of one call by their times; a SYN, or IKE, belongs to the call that was made for it."""
    lcp = call.in_ppp(ppp.LCP)
    acks = call.in_ppp(ppp.PAP, ppp.PapCode.ack)
    ipcp = call.in_ppp(ppp.IPCP, ppp.Code.configure_ack)
    first = _first(case, call)
    steps = {
        "LCP": lcp[0][0].frame.time if lcp else 0.0,
        "PAP Ack": acks[0][0].frame.time if acks else 0.0,
        "IPCP open": call.opened,
    }
    if first:
        steps["first IKE" if _carries_vpn(case, call) else "first SYN"] = first[0].frame.time
    check.show(frames_of([i for i, _ in (*lcp[:1], *acks[:1], *ipcp[:2])] + first[:1]))
    who = f"{call}, to {call.dialled}, {call.answer}"
    return check.in_order(who, steps, case.record.started)


def check_out_24(case: Case) -> Finding:
    """The modem is found at boot."""
    plans = {plan.modem_node: plan for plan in dialers(case.topology)}
    lent = any(plan.partition for plan in plans.values())
    check = Check(
        "OUT-24",
        f"at boot each HMC{', or the partition that dials for it,' if lent else ''} asks its ports with AT "
        "until a modem says OK, before anybody dials; an HMC without a modem dials nothing",
    )
    found = []
    for node, plan in plans.items():
        probes = [p for p in case.record.modems if p.source == node]
        dialled = dialled_by(case, node)
        right = [p.device for p in probes if p.found]
        asked = [p.device for p in probes]
        if asked != list(plan.devices[: len(asked)]) or (
            not right and len(asked) < len(plan.devices)
        ):
            check.object(f"{node} asked {', '.join(asked) or 'no port'} for a modem")
        for probe in probes:
            if probe.found and probe.answer != "OK":
                check.object(f"{probe.device} of {node} answered {probe.answer!r}")
            if dialled and probe.time > dialled[0].started:
                check.object(f"{node} looked for its modem after it had dialled")
        if dialled and not right:
            check.lack(Step.modem, f"{node} dials without a modem")
        elif any(a.device not in right for a in dialled):
            check.object(f"{node} dials by another port than the modem's")
        _judge_greeting(case, check, node, bool(right))
        found.append(f"{node}: {', '.join(right) or 'no modem'}")
    return check.finding(f"found at boot, by {'; by '.join(found)}")


def _judge_greeting(case: Case, check: Check, node: str, found: bool) -> None:
    """In the dialogue itself: AT and OK come before the first number."""
    own = {line.name for line in case.topology.lines_of(node)}
    said = [u for u in case.dialogue if u.line in own]
    answered = False
    for place, command in enumerate(said):
        if dials(command):
            break
        if isinstance(command, TerminalSaid) and command.text == "AT<CR>":
            answers = takewhile(lambda u: isinstance(u, ModemSaid), said[place + 1 :])
            answered |= any(answer(u) == "OK" for u in answers)
    if found and not answered:
        check.object(f"no AT of {node} was answered with OK before it dialled")


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
    for plan in dialers(case.topology):
        attempts = attempts_of(case, plan)
        for series in _series(attempts):
            told.append(_judge_series(case, check, plan, series))
            later |= len(series) > 1
        _judge_answers(case, check, attempts)
    for node in dict.fromkeys(plan.modem_node for plan in dialers(case.topology)):
        _judge_dialogue(case, check, node)
    if not later:
        return check.not_tested(_why_no_next(case))
    if all(len(set(plan.numbers)) < 2 for plan in dialers(case.topology)):
        return check.not_tested("each HMC has one number only")
    return check.finding("; ".join(told))


def _why_no_next(case: Case) -> str:
    """Why no HMC dialled a second time for one way home."""
    if not case.record.dialled:
        return "the lab dialled nothing in this run"
    for attempt in case.record.dialled:
        if attempt.cause is not None:
            return f"{attempt.source} dialled no next number: {attempt.why}"
    if any(len(plan.numbers) < 2 for plan in dialers(case.topology)):
        return "there is no next number"
    return "the first number was enough in every call"


def _series(attempts: list[Dialled]) -> list[list[Dialled]]:
    """Attempts until one succeeds: what belongs to one way home."""
    found: list[list[Dialled]] = []
    ended = True
    for attempt in attempts:
        if ended:
            found.append([])
        found[-1].append(attempt)
        ended = attempt.cause is None
    return found


def _judge_series(case: Case, check: Check, plan: Dialer, series: list[Dialled]) -> str:
    order = (plan.numbers * plan.rounds)[: len(series)]
    numbers = tuple(a.number for a in series)
    if numbers != order:
        check.object(f"{plan.client} dialled {', '.join(numbers)}, not {', '.join(order)}")
    for earlier, after in pairwise(series):
        if after.started < earlier.time:
            check.object(f"{plan.client} dialled {after.number} before {earlier.number} had failed")

    last = series[-1]
    if last.cause is None:
        failures = ", ".join(f"{a.number}: {a.result or a.why}" for a in series[:-1])
        reason = f" after {failures}" if failures else ""
        return f"{plan.client}: {last.number} answered{reason}"
    exhausted = len(series) == len(plan.numbers) * plan.rounds
    if not exhausted and last.result not in STOPPERS:
        check.object(f"{plan.client} gave up after {last.number}: {last.why}")
    if case.record.blame is None and all(t.up for t in case.tried(KIND, plan.client)):
        check.object(f"{plan.client} had no answer, and no error says so")
    return f"{plan.client}: {count(len(series), 'attempt')}, none successful"


def _judge_dialogue(case: Case, check: Check, node: str) -> None:
    """What the exchange heard must be what the record says; not every attempt may have got so far."""
    attempts = dialled_by(case, node)
    recorded = [a.number for a in attempts]
    answered = [a.number for a in attempts if a.result]
    devices = {a.device for a in attempts}
    own = {line.name for line in case.topology.lines_of(node) if line.device in devices}
    heard = [number for u in case.dialogue if u.line in own and (number := dialled(u))]
    rest = iter(heard)
    # Where a user had the lab, he may have dialled by the same modem, too.
    among = not case.called and all(number in rest for number in answered)
    if heard not in (recorded, answered) and not among:
        check.object(
            f"the exchange heard {node} dial {', '.join(heard) or 'nothing'}, not "
            f"{', '.join(recorded) or 'nothing'}"
        )


def _judge_answers(case: Case, check: Check, attempts: list[Dialled]) -> None:
    """What a modem said at last is what whoever has the modem heard."""
    for call in case.telephone_calls:
        heard = call.result
        if call.attempt in attempts and call.number and heard and call.answer != heard:
            check.object(f"{call} was answered by {call.answer or 'nothing'}, not {heard}")


def check_f_18(case: Case) -> Finding:
    """The customer's firewall needs no rule for a modem."""
    check = Check(
        "F-18",
        "the customer's firewall lets nothing through in either direction, has no rule that would, and the "
        "call home passes all the same",
    )
    wall = case.topology.firewall
    if wall is None:
        return check.not_tested(NO_FIREWALL)
    _judge_wall(case, check, wall)
    through = sum(call.succeeded for call in case.record.calls)
    if not through:
        return check.not_tested(case.why_not_home)
    counters = case.record.counters.get(wall.node, {})
    for segment in (*case.uplinks, *case.exits):
        check.want(segment in case.wire, f"there is no capture of {segment}")
    check.want(case.record.counters, "no counters were read")
    dropped = sum(number for name, number in counters.items() if name.startswith("dropped-"))
    witness = (
        f", and dropped {dropped}" if has_labs_rules(case) else " by rules that are not the lab's"
    )
    beside = ", beside those to what users have entered" if case.topology.user_targets else ""
    return check.finding(
        f"{count(through, 'call')} home with no rule; the firewall let 0 packets through{beside}{witness}"
    )


def _judge_wall(case: Case, check: Check, wall: Firewall) -> None:
    # A way to a partition opens nothing itself (F-09).
    if all(way.dials for way in case.topology.own_ways):
        # What users enter is not the call home's (OUT-44).
        if rules := [rule for rule in wall.rules if rule.requirement != ENTERED]:
            check.object(f"{wall.node} has {count(len(rules), 'rule')} that let packets through")
        for name, packets in case.record.counters.get(wall.node, {}).items():
            if name.startswith("allow-") and not name.startswith(f"allow-{ENTERED}-"):
                check.object(f"rule {name} of the firewall let {count(packets, 'packet')} through")
    for frame, packet in case.leaving:
        if case.only_by(KIND, frame.time):
            check.object(f"a packet for {packet.destination} leaves by {case.outside}", [frame])
    for frame, packet in case.entering:
        if packet.destination in case.agent_addresses and case.only_by(KIND, frame.time):
            check.object(f"a packet of {packet.source} enters by {case.inside}", [frame])


def check_out_26(case: Case) -> Finding:
    """The HMC's own firewall applies to connections over the modem."""
    return judge_own_firewall(
        case,
        "OUT-26",
        kind=KIND,
        inside="over the telephone",
        carriers="PPP and the call",
        outlived=_outlived,
    )


def _outlived(case: Case, trial: OwnRuleTried) -> bool:
    """Whether, by its frames, the telephone call did not begin to end before the trial was over."""
    began = [
        c for c in case.telephone_calls if c.client == trial.source and c.opened < trial.started
    ]
    return any(call.ending > trial.time for call in began)
