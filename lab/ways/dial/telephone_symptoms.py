"""Symptoms of a way home by telephone until somebody answers: modems, lines and numbers.

What befalls a call that is connected is in ``call_symptoms``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.names import count
from lab.record.cause import DialCause
from lab.record.dial_event import ModemProbed
from lab.telephony.events import TrainingFailed, VoiceAnswered
from lab.topology.modem_family import find
from lab.verify.symptom import Diagnosis, DialTrail
from lab.verify.telephone_calls import NO_ANSWER, NO_DIALTONE, TelephoneCall
from lab.ways.dial.plan import Dialer, dialers

_GONE = (DialCause.port_shut, DialCause.modem_gone)
_OUT_OF_SERVICE = "unobtainable"


@dataclass(frozen=True, slots=True)
class _Fate:
    """Why a number is no way home; ``{number}`` and ``{lig}`` stand for themselves."""

    text: str
    hint: str


FATES = {
    "lines-taken": _Fate(
        "all lines of {number} have a call already", "give {lig} more modems, or call later"
    ),
    "busy": _Fate("{number} is busy", "call again later"),
    "pool-empty": _Fate(
        "{lig} has no address left, and so does not answer when {number} rings",
        "enlarge the address pool of {lig}",
    ),
    "no-answer": _Fate(
        "{number} rings, and nobody takes the call",
        "see whether the modems of {lig} have power, and are set up to answer",
    ),
    "voice": _Fate("a person takes the calls to {number}, no modem", "look the number up"),
    "training-fails": _Fate(
        "the modems at both ends of the call to {number} do not agree on how to go on",
        "if it happens again, limit the modem's rate, or have the line tested",
    ),
    _OUT_OF_SERVICE: _Fate(
        "{number} is out of service",
        "look the number up; see which digits must come first, for a trunk or another area",
    ),
}


# Modems.


def find_no_modem(trail: DialTrail) -> Diagnosis | None:
    """No port has a modem that does what it is told (OUT-24)."""
    node = plan_of(trail).modem_node
    probes = [p for p in trail.case.record.modems if p.source == node]
    dialled = [call for call in trail.calls if call.dialling is not None and call.dialling.device]
    if any(probe.found for probe in probes) or dialled:
        return None
    if not probes:
        return Diagnosis(
            "no-modem",
            f"{node} has no modem, and the way home of {trail.client} is by telephone",
            f"give {node} a modem and a line",
        )
    return _silent_or_babbling(probes[-1])


def _silent_or_babbling(probe: ModemProbed) -> Diagnosis:
    port = f"the modem of {probe.source} at {probe.device}"
    if probe.cause is DialCause.modem_garbage:
        return Diagnosis(
            "modem-garbage",
            f"{port} sends what is no result code: {probe.why}",
            "see whether a modem is on that port, at the port's speed, and repair or replace it",
        )
    if probe.answer:
        return Diagnosis(
            "modem-refuses",
            f"{port} takes no commands: {probe.why}",
            "see what is on that port",
        )
    return Diagnosis(
        "modem-dead",
        f"{port} is dead: {probe.why}",
        "see whether it has power, and whether the serial cable is in",
    )


def find_modem_gone(trail: DialTrail) -> Diagnosis | None:
    """A modem that was there, and whose port is there no more."""
    attempts = (call.dialling for call in trail.calls)
    gone = next((a for a in attempts if a and not a.result and a.cause in _GONE), None)
    if gone is None:
        return None
    before = [call for call in trail.calls if call.connected and call.number]
    when = "before a call was connected"
    if before:
        where = "after" if before[-1].terminated else "in the middle of"
        when = f"{where} call {before[-1].number}"
    return Diagnosis(
        "modem-gone",
        f"the modem of {gone.source} was unplugged {when}: {gone.why}",
        f"plug it in again, and keep it at {gone.device}",
    )


def find_refused_command(trail: DialTrail) -> Diagnosis | None:
    """A modem that says no to how it is set up, so that nothing is dialled."""
    attempts = [call.dialling for call in trail.last_tries if call.dialling]
    if not attempts or attempts[-1].cause is not DialCause.command_refused:
        return None
    last = attempts[-1]
    family = find(trail.case.topology.modem_families, last.source)
    whose = f", a {family.name}," if family else ""
    suits = f"; for a {family.name} it is {family.init}" if family else ""
    return Diagnosis(
        "modem-refuses-setup",
        f"the modem of {last.source} at {last.device}{whose} answers {last.command} with {last.detail}, so "
        "that nothing was dialled",
        f"correct init of the way in the topology file{suits}"
        if last.command == plan_of(trail).init
        else "see what is on that port",
    )


# Lines and numbers.


def find_no_dial_tone(trail: DialTrail) -> Diagnosis | None:
    """The modem goes off hook and hears nothing."""
    silent = [p for p in trail.last_tries if p.result in NO_DIALTONE]
    if not silent or trail.last_tries[-1].connected:
        return None
    return Diagnosis(
        "no-dialtone",
        f"the telephone line of {plan_of(trail).modem_node} is dead: its modem went off hook to dial "
        f"{silent[-1].dialled} and heard no dial tone",
        "see whether the telephone cable is in, and have the line repaired",
    )


def find_unreached(trail: DialTrail) -> Diagnosis | None:
    """No number of the list led to a modem."""
    if not trail.last_tries or any(call.connected for call in trail.last_tries):
        return None
    cause, told, hint = _fates_of(trail, trail.last_tries)
    if not cause:
        return None
    calls = count(len(trail.last_tries), "call")
    return Diagnosis(cause, f"{told}: {calls} of {trail.client}, and none got through", hint)


def find_lender_busy(trail: DialTrail) -> Diagnosis | None:
    """The partition has no modem free to dial, and says so in CDN (RFC 2661 4.4.2, result 4)."""
    attempts = [call.attempt for call in trail.last_tries if call.attempt]
    if not attempts or attempts[-1].cause is not DialCause.lender_busy:
        return None
    partition = plan_of(trail).partition
    asked = count(len(attempts), "call")
    return Diagnosis(
        "i5-line-busy",
        f"the modem of {partition} is in use: {trail.client} asked for {asked}, and none was placed",
        f"call again later, or give {partition} another modem and line",
    )


def find_redial(trail: DialTrail) -> Diagnosis | None:
    """It took more than one call."""
    connected = next((n for n, call in enumerate(trail.calls) if call.came_up), 0)
    cause, told, hint = _fates_of(trail, [c for c in trail.calls[:connected] if not c.connected])
    if not cause:
        return None
    return Diagnosis(
        cause,
        f"{told}: {trail.client} got through by call {connected + 1}, to "
        f"{trail.calls[connected].dialled}",
        hint,
    )


def _fates_of(trail: DialTrail, calls: Iterable[TelephoneCall]) -> tuple[str, str, str]:
    """The cause of the first number that is one at all; what came of each; the hint."""
    fates: dict[str, str] = {}
    for call in calls:
        if fate := fate_of(call):
            fates[call.dialled] = fate  # a number's last call counts
    if not fates:
        return "", "", ""

    in_service = [number for number, fate in fates.items() if fate != _OUT_OF_SERVICE]
    first = in_service[0] if in_service else next(iter(fates))
    told = "; ".join(
        FATES[fate].text.format(number=number, lig=trail.lig) for number, fate in fates.items()
    )
    return fates[first], told, _mend_of(trail, first, fates)


def _mend_of(trail: DialTrail, first: str, fates: dict[str, str]) -> str:
    hints = [FATES[fates[first]].hint.format(number=first, lig=trail.lig)]
    if fates[first] == "busy" and any(call.came_up for call in trail.calls):
        hints = [f"if it often is, give {trail.lig} more modems"]
    elif fates[first] == "busy" and len(plan_of(trail).numbers) == 1:
        hints.append("or give the client a second number")
    others = [n for n, fate in fates.items() if fate == _OUT_OF_SERVICE and n != first]
    if others and fates[first] != _OUT_OF_SERVICE:
        hints.append(f"and look {' and '.join(others)} up")
    return ", ".join(hints)


def plan_of(trail: DialTrail) -> Dialer:
    """The client's; of an own modem and a borrowed one, that by which it was tried last."""
    own = [d for d in dialers(trail.case.topology) if d.client == trail.client]
    last = trail.calls[-1].attempt if trail.calls else None
    tried = [d for d in own if last is not None and bool(d.partition) is not bool(last.device)]
    return (tried or own)[0]


def fate_of(call: TelephoneCall) -> str:
    """What the exchange and the gateway know of a call, where the modem's word says too little."""
    if call.fate is not None and call.fate in FATES:
        return call.fate
    if call.at_gateway is not None and not call.at_gateway.answered:
        # The one reason for which the gateway lets a call ring (P-12).
        return "pool-empty"
    if call.noted(TrainingFailed):
        return "training-fails"
    if call.noted(VoiceAnswered):
        return "voice"
    return "no-answer" if call.result == NO_ANSWER else ""
