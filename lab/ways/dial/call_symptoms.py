"""Symptoms of a call that is connected: PPP, AT&T's name server, and the line itself."""

from __future__ import annotations

from lab.linux import fence
from lab.names import count
from lab.record.cause import PppCause
from lab.record.record import CallHome
from lab.telephony.events import LineDropped
from lab.telephony.modulation import agree
from lab.topology.modem_family import find
from lab.verify.symptom import Diagnosis, DialTrail
from lab.verify.telephone_calls import TelephoneCall
from lab.ways.dial.modem_offers import find_offer
from lab.ways.dial.paper_fence import DNS_PORT
from lab.wire import ppp
from lab.wire.decode import UDP
from lab.wire.dialled import FrameFault
from lab.wire.ppp import Code, PapCode

BUSY = 0.5
"""A direction in use for so much of the time leaves its other end to wait."""
BITS_PER_OCTET = 8
ROUNDS = 3
"""So often LCP may begin anew by chance."""
NOT_RESPONDING = b"Peer not responding"
"""What pppd says to a peer that it gives up for want of LCP echo."""


def failed_call(trail: DialTrail) -> TelephoneCall | None:
    """The last call, if it was connected and PPP did not come up on it."""
    last = trail.calls[-1] if trail.calls else None
    tried = [p for p in trail.last_tries if p.connected]
    return tried[-1] if last is not None and tried and not last.came_up else None


# PPP that does not come up.


def find_refused_protocol(trail: DialTrail) -> Diagnosis | None:
    """The two ends have no authentication protocol in common (P-11)."""
    call = failed_call(trail)
    if call is None:
        return None
    option = ppp.OPTION_AUTHENTICATION
    demands = [
        frame.authentication[0]
        for _, frame in call.in_ppp(ppp.LCP, Code.configure_request, outgoing=False)
        if frame.option(option) is not None
    ]
    no = (Code.configure_nak, Code.configure_reject)
    refusals = [
        f for _, f in call.in_ppp(ppp.LCP, *no, outgoing=True) if f.option(option) is not None
    ]
    if not demands or not refusals:
        return None
    if ppp.PAP in demands:
        return Diagnosis(
            "pap-refused",
            f"{trail.client} refuses PAP, and the PPP of {trail.lig} takes nothing else: "
            f"{count(len(refusals), 'refusal')} of its demand",
            f"let the PPP of {trail.client} answer PAP",
        )
    return Diagnosis(
        "chap-only-peer",
        f"the PPP of {trail.lig} takes CHAP (C223) only, and {trail.client} has a password for "
        "PAP only",
        f"have {trail.lig} ask for PAP",
    )


def find_wrong_password(trail: DialTrail) -> Diagnosis | None:
    """PAP ends in Nak."""
    call = failed_call(trail)
    if call is None or not call.in_ppp(ppp.PAP, PapCode.nak, outgoing=False):
        return None
    return Diagnosis(
        "wrong-pap-password",
        f"{trail.lig} refuses the user id or the password of {trail.client}: it answers its PAP "
        "request with Nak",
        "give the client the password that goes with its user id",
    )


def find_late_answers(trail: DialTrail) -> Diagnosis | None:
    """A request that is sent again is answered twice, and its second answer undoes what was agreed.

    RFC 1661 4.6: whoever has no answer within his restart timer asks again; 4.1: a Configure-Request in
    state Opened begins all anew.
    """
    call, telephone = failed_call(trail), trail.case.topology.telephone
    if call is None or telephone is None:
        return None
    asked = [f.identifier for _, f in call.in_ppp(ppp.LCP, Code.configure_request, outgoing=True)]
    acks = call.in_ppp(ppp.LCP, Code.configure_ack, outgoing=False)
    agreed = {frame.identifier for _, frame in acks}
    again = [number for number in agreed if asked.count(number) > 1]
    if len(again) < ROUNDS:
        return None
    ends = (call.caller, call.called)
    there_and_back_s = 2 * sum(line.delay_s for line in telephone.lines if line.name in ends)
    return Diagnosis(
        "late-answers",
        f"LCP of {trail.client} and {trail.lig} was agreed on {len(agreed)} times and began anew each "
        f"time: an answer takes {there_and_back_s:g} s, and each end asks again before it is there",
        "have both PPPs wait longer (lcp-restart), or shorten the line's delay",
    )


def find_no_ppp(trail: DialTrail) -> Diagnosis | None:
    """The modems are connected, and PPP does not come up for a reason that only pppd tells."""
    call = failed_call(trail)
    if call is None:
        return None
    why = call.failure or "no reason was given"
    if call.session and call.session.cause is PppCause.terminated and call.attempt:
        # The lab's dialler sent it, as nothing had come of the call.
        waited_s = call.session.closed - call.attempt.time
        why = f"it was given up after {waited_s:.0f} s"
    return Diagnosis(
        "no-ppp",
        f"the modems of {trail.client} and {trail.lig} are connected, and PPP does not come up: "
        f"{why}",
        f"read the logs of pppd on {trail.client} and {trail.lig}",
    )


# In mid-session.


def find_lost_echo(trail: DialTrail) -> Diagnosis | None:
    """LCP ends a call whose other end does not answer its echo requests (RFC 1661 5.8)."""
    for call in reversed(trail.calls):
        asked = call.in_ppp(ppp.LCP, Code.echo_request, outgoing=True)
        answered = {f.identifier for _, f in call.in_ppp(ppp.LCP, Code.echo_reply, outgoing=False)}
        lost = [item for item, frame in asked if frame.identifier not in answered]
        if not call.came_up or not lost or not _given_up(call):
            continue
        since = lost[0].frame.time
        later = [item for item in call.frames if item.data and item.frame.time > since]
        still = ", while it still passes packets on" if any(not i.outgoing for i in later) else ""
        return Diagnosis(
            "lcp-echo-lost",
            f"{trail.lig} answers no LCP echo{still}: {count(len(lost), 'request')} of "
            f"{trail.client} without a reply, after which its PPP gave call {call.number} up",
            f"see why the PPP of {trail.lig} does not answer, or let {trail.client} send no echo "
            "requests",
        )
    return None


def _given_up(call: TelephoneCall) -> bool:
    """Whether the client's pppd ended PPP because of it; its last words may not have left any more."""
    ends = call.in_ppp(ppp.LCP, Code.terminate_request, outgoing=True)
    said = any(frame.content == NOT_RESPONDING for _, frame in ends)
    return said or (call.session is not None and call.session.cause is PppCause.no_echo)


def find_silent_name_server(trail: DialTrail) -> Diagnosis | None:
    """DNS queries by telephone, and not one answer (L-03)."""
    server, own = trail.case.lig.utility, [p for p in trail.sockets if p.protocol == UDP]
    asked = [p for p in own if (p.destination, p.destination_port) == (server, DNS_PORT)]
    answers = [p for p in own if (p.source, p.source_port) == (server, DNS_PORT)]
    if not asked or answers:
        return None
    dropped = trail.case.record.counters.get(trail.lig, {}).get(fence.LITERAL, 0)
    if dropped:
        return Diagnosis(
            "dns-fenced",
            f"the fence of {trail.lig} drops what the name server {server} answers: "
            f"{count(dropped, 'packet')}",
            "let replies of the utility service pass (X-09)",
        )
    return Diagnosis(
        "dns-silent",
        f"the name server {server} is silent, so no name is told: {trail.client} sent it "
        f"{count(len(asked), 'query', 'queries')} by telephone, and none was answered",
        f"see whether the utility service of {trail.lig} runs",
    )


def find_dropped_line(trail: DialTrail) -> Diagnosis | None:
    """The exchange cut a call off."""
    first = next((c for c in trail.calls if c.came_up and c.noted(LineDropped)), None)
    if first is None:
        return None
    began, ended = first.connection, first.noted(LineDropped)
    seconds = ended.time - began.time if began and ended else 0.0
    again = f"; {trail.client} called again" if first is not trail.calls[-1] else ""
    return Diagnosis(
        "line-dropped",
        f"the line was cut off in mid-session: call {first.number} lasted {seconds:.1f} s after "
        f"{first.result}{again}",
        "if it happens again, have the line tested",
    )


# The line itself.


def _able_bit_s(trail: DialTrail, call: TelephoneCall) -> int:
    """What both modems of a call can do, as they have been told."""
    telephone = trail.case.topology.telephone
    assert telephone is not None, "check has seen it"
    rates = {line.name: line.rate_bit_s for line in telephone.lines}
    families = {
        line.name: find(trail.case.topology.modem_families, line.node) for line in telephone.lines
    }
    ends = [end for end in (call.caller, call.called) if end in rates]
    if len(ends) < 2 or call.connection is None:
        return 0
    dialogue, until = trail.case.dialogue, call.connection.time
    one, other = (find_offer(dialogue, end, until, families[end]) for end in ends)
    return agree(one, other, min(rates[end] for end in ends))[0]


def find_slow_line(trail: DialTrail) -> Diagnosis | None:
    """Training ended with less than both modems can do."""
    for call in trail.calls:
        able = _able_bit_s(trail, call)
        if 0 < call.rate_bit_s < able:
            return Diagnosis(
                "slow-line",
                f"the line is slow: call {call.number} was connected at "
                f"{call.rate_bit_s} bit/s, and both modems can do {able}",
                "have the line tested; until then, leave the agent more time",
            )
    return None


def find_too_slow(trail: DialTrail) -> Diagnosis | None:
    """The agent ran out of time while its call carried about as much as it can."""
    for home in (c for c in trail.case.failed_calls if c.agent == trail.client):
        if not home.timed_out:
            continue
        for call in trail.calls:
            share = _share(call, home)
            if share < BUSY:
                continue
            able = _able_bit_s(trail, call)
            slow = f", and both modems can do {able}" if call.rate_bit_s < able else ""
            return Diagnosis(
                "too-slow",
                f"the line is too slow for the agent of {trail.client}: call {call.number} was "
                f"connected at {call.rate_bit_s} bit/s{slow}, and one direction was in use for "
                f"{share:.0%} of the time until the agent's deadlines had passed",
                "have the line tested"
                if slow
                else "take faster modems, or an agent that waits longer",
            )
    return None


def _share(call: TelephoneCall, home: CallHome) -> float:
    """How much of the busier direction was in use while the agent called home."""
    during = [i for i in call.frames if home.started <= i.frame.time <= home.ended]
    octets = (sum(len(i.frame.data) for i in during if i.outgoing == way) for way in (True, False))
    able = call.rate_bit_s * (home.ended - home.started)
    return min(1.0, max(octets) * BITS_PER_OCTET / able) if able > 0 else 0.0


def find_noise(trail: DialTrail) -> Diagnosis | None:
    """Frames that arrive with another checksum than their own (RFC 1662 C)."""
    bad = [item for item in trail.carried if item.fault is FrameFault.checksum]
    if not bad:
        return None
    whole = sum(item.ppp is not None for item in trail.carried)
    return Diagnosis(
        "noise",
        f"the line is noisy: {count(len(bad), 'PPP frame')} of {whole + len(bad)} came with a wrong "
        "checksum; PPP dropped them, and TCP sent again what they carried",
        "have the line tested, or limit the modem's rate",
    )
