"""Finding on the modem of a partition that an HMC borrows: OUT-30.

What the HMC asks for is in clear on the wire that it has in common with the partition; what the partition's
modem does for that, its dialogue and the telephone line show. The two are compared, call by call and frame by
frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lab.names import count
from lab.telephony.events import LineDropped
from lab.verify import lent_calls
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.lent_calls import LentCall
from lab.verify.passed_on import ClearL2tp
from lab.verify.telephone_calls import (
    NO_ANSWER,
    NO_DIALTONE,
    TelephoneCall,
    dialled,
)
from lab.ways.dial.plan import Dialer, dialers
from lab.wire import l2tp, ppp
from lab.wire.decode import Frame
from lab.wire.dialled import FrameFault
from lab.wire.l2tp import Avp
from lab.wire.l2tp_codes import CdnResult
from lab.wire.ppp import PppFrame

MUST_HAVE = {
    Avp.assigned_session_id: "Assigned Session ID",
    Avp.call_serial_number: "Call Serial Number",
    Avp.minimum_bps: "Minimum BPS",
    Avp.maximum_bps: "Maximum BPS",
    Avp.bearer_type: "Bearer Type",
    Avp.framing_type: "Framing Type",
    Avp.called_number: "Called Number",
}
"""Of an OCRQ (RFC 2661 6.9)."""
RESULTS = {
    "BUSY": CdnResult.busy,
    "NO CARRIER": CdnResult.no_carrier,
    NO_ANSWER: CdnResult.not_in_time,
    **dict.fromkeys(NO_DIALTONE, CdnResult.no_dial_tone),
}
"""What a CDN says of a modem's result code (RFC 2661 4.4.2)."""
Mark = tuple[int, bytes]
"""A PPP frame: its protocol and what it has."""


def check_out_30(case: Case) -> Finding:
    """L2TP asks the partition for a telephone call, and PPP is between HMC and AT&T's gateway."""
    plans = [plan for plan in dialers(case.topology) if plan.partition]
    lenders = dict.fromkeys(plan.partition for plan in plans)
    check = Check(
        "OUT-30",
        f"each HMC asks {' or '.join(lenders) or 'a partition'} for a call, by OCRQ with a configured "
        "number; the partition's modem dials that and nothing else; OCRP answers, then OCCN after CONNECT, "
        "or CDN with what the modem said; each PPP frame of the call is the same on both sides of the "
        "partition",
    )
    if not plans:
        return check.not_tested("no agent borrows the modem of a partition")
    asked = lent_calls.read(case.clear)
    placed = [call for call in case.telephone_calls if _lender(case, call) in lenders]
    if not asked and not placed and not any(_attempts(case, plan) for plan in plans):
        return check.not_tested("nobody asked a partition for a call in this run")
    pairs = _pair(check, case, asked, placed)
    for plan in plans:
        own = [call for call in asked if call.client == plan.client]
        if _attempts(case, plan) and not own:
            check.object(f"{plan.client} asked {plan.partition} for no call by OCRQ")
        for call in own:
            _judge_request(check, plan, call)
    frames = 0
    for call in asked:
        frames += _judge_call(case, check, call, pairs.get(id(call)))
    connected = sum(call.connected is not None for call in asked)
    return check.finding(
        f"{count(len(asked), 'OCRQ')}, {connected} of them answered by OCCN after CONNECT; "
        f"{count(frames, 'PPP frame')} the same on {_wires(case, plans)} and on the telephone line"
    )


def _wires(case: Case, plans: Iterable[Dialer]) -> str:
    clients = {plan.client for plan in plans}
    return " and ".join(dict.fromkeys(s.frame.segment for s in case.clear if s.client in clients))


def _attempts(case: Case, plan: Dialer) -> bool:
    """Whether the client's dialler, or a program of the user's, was to have the partition call."""
    return any(a.source == plan.client and not a.device for a in case.record.dialled)


def _lender(case: Case, call: TelephoneCall) -> str:
    """The node whose line called."""
    if call.lent is not None:
        return call.lent.source
    lines = case.topology.telephone.lines if case.topology.telephone else ()
    return next((line.node for line in lines if line.name == call.caller), "")


def _began(call: TelephoneCall) -> float:
    """When it was dialled; 0 if it was not."""
    if call.command is not None:
        return call.command.time
    return call.lent.started if call.lent is not None else 0.0


def _pair(
    check: Check, case: Case, asked: list[LentCall], placed: Iterable[TelephoneCall]
) -> dict[int, TelephoneCall]:
    """Which OCRQ each call by a partition's modem is for: the last of the HMC's that nothing was done for."""
    pairs: dict[int, TelephoneCall] = {}
    for call in sorted(placed, key=_began):
        began = _began(call)
        if not began:
            continue
        open_then = [
            each
            for each in asked
            if each.client == call.client
            and each.asked.frame.time <= began <= each.ended
            and id(each) not in pairs
        ]
        if open_then:
            pairs[id(open_then[-1])] = call
        else:
            number = (dialled(call.command) if call.command else "") or call.dialled
            check.object(f"{_lender(case, call)} dialled {number}, for which no HMC had asked")
    return pairs


def _judge_request(check: Check, plan: Dialer, call: LentCall) -> None:
    """The OCRQ itself."""
    message = call.asked.l2tp
    check.show([call.asked.frame])
    missing = [name for avp, name in MUST_HAVE.items() if not message.avp(avp)]
    if missing:
        check.object(
            f"the OCRQ of {plan.client} has no {', no '.join(missing)}", [call.asked.frame]
        )
    if call.number not in plan.numbers and message.avp(Avp.called_number):
        check.object(
            f"{plan.client} asked for {call.number}, which is not configured", [call.asked.frame]
        )
    if call.asked.packet.destination_port != l2tp.PORT:
        check.object(f"the OCRQ of {plan.client} goes to another port", [call.asked.frame])


def _judge_call(case: Case, check: Check, call: LentCall, line: TelephoneCall | None) -> int:
    """One call, in clear and on the line; how many PPP frames were the same on both."""
    if line is None:
        if call.connected is not None:
            check.object(
                f"OCCN says that {call} has come, and no modem dialled", [call.connected.frame]
            )
        elif call.result in RESULTS.values():
            told = call.cleared.l2tp.result if call.cleared is not None else ""
            check.object(f"CDN says {told} of {call}, and no modem dialled", frames_of(_cdn(call)))
        return 0
    number = (dialled(line.command) if line.command else "") or line.dialled
    if number != call.number:
        check.object(f"{call.partition} dialled {number} for {call}", [call.asked.frame])
    if call.connected is None:
        _judge_refusal(check, call, line)
        return 0
    check.show(frames_of(lent_calls.steps(call)))
    if not line.connected or line.connection is None:
        check.object(
            f"OCCN says that {call} has come, and the modem said {line.answer or 'nothing'}",
            [call.connected.frame],
        )
        return 0
    _judge_order(case, check, call, line)
    if call.speed_bit_s != line.rate_bit_s:
        check.object(
            f"OCCN says {call.speed_bit_s} bit/s of {call}, and the modems have {line.rate_bit_s}",
            [call.connected.frame],
        )
    return _judge_frames(check, call, line)


def _cdn(call: LentCall) -> list[ClearL2tp]:
    return [call.cleared] if call.cleared is not None else []


def _judge_order(case: Case, check: Check, call: LentCall, line: TelephoneCall) -> None:
    """Each step after the one that it answers."""
    assert call.connected is not None
    assert line.connection is not None
    accepted = call.accepted.frame.time if call.accepted else 0.0
    asked, connected = call.asked.frame.time, call.connected.frame.time
    who = f"{call}"
    check.in_order(who, {"OCRQ": asked, "OCRP": accepted, "OCCN": connected}, case.record.started)
    dialling = {
        "OCRQ": asked,
        "ATDT": _began(line),
        "CONNECT": line.connection.time,
        "OCCN": connected,
    }
    check.in_order(who, dialling, case.record.started)


def _judge_refusal(check: Check, call: LentCall, line: TelephoneCall) -> None:
    """A call that the modem was told to place, and that did not come."""
    if call.frames:
        check.object(f"PPP is in {call}, and no OCCN says that it has come", [call.frames[0].frame])
    wanted = RESULTS.get(line.result)
    if wanted is None or (call.cleared is not None and call.cleared.outgoing):
        return
    if call.cleared is None:
        check.object(
            f"the modem said {line.result} to {call}, and no CDN says so", [call.asked.frame]
        )
    elif call.result != wanted:
        said = call.cleared.l2tp.result
        check.object(
            f"the modem said {line.result} to {call}, and CDN says {said}", [call.cleared.frame]
        )
    else:
        check.show([call.cleared.frame])


def _judge_frames(check: Check, call: LentCall, line: TelephoneCall) -> int:
    """That the partition passes PPP on as it is, and says nothing in it itself."""
    same = 0
    for outgoing in (True, False):
        near = [(s.frame, mark(s.ppp)) for s in call.frames if s.ppp and s.outgoing is outgoing]
        far = [(i.frame, mark(i.ppp)) for i in line.frames if i.ppp and i.outgoing is outgoing]
        went, came = (near, far) if outgoing else (far, near)
        left = Counter(each for _, each in went)
        for frame, each in came:
            if left[each]:
                left[each] -= 1
                same += 1
            else:
                check.object(
                    f"a PPP frame of {call} on {frame.segment} is not on the other side of {call.partition}",
                    [frame],
                )
        _judge_losses(check, call, line, went, left)
    check.want(same, f"no PPP frame of {call} is on both sides of {call.partition}")
    return same


def _judge_losses(
    check: Check,
    call: LentCall,
    line: TelephoneCall,
    went: list[tuple[Frame, Mark]],
    left: Counter[Mark],
) -> None:
    """What is agreed on by PPP must come through. IP may be lost, as on any line that is full.

    Noise destroys frames, and so does whoever cuts the line off. Before OCCN the two are not joined yet, and
    at PPP's end they part.
    """
    assert call.connected is not None
    if line.noted(LineDropped) or any(i.fault is FrameFault.checksum for i in line.frames):
        return
    joined = [
        e for e in went if call.connected.frame.time < e[0].time < min(line.ending, call.ended)
    ]
    # Of frames that are alike, the last ones are the lost ones.
    for frame, each in reversed(joined):
        if left[each] and each[0] != ppp.IP:
            left[each] -= 1
            check.object(
                f"a PPP frame of {call} on {frame.segment} does not get through {call.partition}",
                [frame],
            )


def mark(frame: PppFrame) -> Mark:
    return frame.protocol, frame.body
