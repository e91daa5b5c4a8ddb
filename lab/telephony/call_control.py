"""A call from the complete number to its end: ringing, answer, training, data, hang-up.

What a line does before its number is complete is ``exchange``'s business; when something is due
is in the agenda that both share.
"""

from __future__ import annotations

import random as random_module

from lab.telephony.calls import Agenda, Call, Phase, Stage, Subscriber
from lab.telephony.circuit import Circuit, Noise
from lab.telephony.events import (
    BytesLost,
    CallAnswered,
    CallRefused,
    CallRings,
    CallSilent,
    CallUnanswered,
    HungUp,
    LineDropped,
    NoCommonRate,
    TrainingFailed,
    VoiceAnswered,
)
from lab.telephony.modulation import agree
from lab.telephony.signals import Heard, LineEvent, Trained
from lab.telephony.tape import Tape
from lab.topology.telephone import Outcome

NO_DIAL_TONE_S = 5.0
"""So long a modem listens before it says that there is none; our choice."""
RING_CYCLE_S = 6.0
RING_LIMIT_S = 180.0
VOICE_AFTER_S = 7.0
"""Somebody takes the receiver in the second ring; our choice."""
QUIET_S = 5.0
"""The silence that the dial modifier ``@`` waits for (V.250 6.3.1.7)."""
TRAINING_S = 5.0
"""Of V.34 with V.8; makers promised about this, and up to three times as long for what came before."""
TRAINING_ROUND_TRIPS = 2
"""By which a long line's training is longer: V.8's menus, and the ranging; our choice."""

Told = list[tuple[str, LineEvent | bytes]]


class CallControl:
    """The calls that ring, train or carry data."""

    def __init__(
        self, agenda: Agenda, told: Told, tape: Tape, random: random_module.Random
    ) -> None:
        """What is to be told goes to the end of ``told``."""
        self._agenda = agenda
        self._told = told
        self._tape = tape
        self._random = random
        self._connected: list[Call] = []
        """The calls that carry data, or still have some on its way."""

    def tell(self, end: Subscriber, event: LineEvent) -> None:
        self._told.append((end.name, event))

    # Ringing.

    def refuse(self, call: Call, event: LineEvent, why: Outcome, now: float) -> None:
        asked = {"line": call.caller.name, "number": call.number}
        self._tape.note(CallRefused(call=call.ordinal, **asked, outcome=why, time=now))
        call.stage = Stage.over
        self.tell(call.caller, event)

    def ring(self, call: Call, now: float) -> None:
        caller, called = call.caller.name, call.called.name if call.called else ""
        rings = {"line": caller, "number": call.number, "called": called}
        self._tape.note(CallRings(call=call.ordinal, **rings, time=now))
        for end in (call.caller, call.called):
            if end:
                end.call = call
        if call.called:
            call.called.phase = Phase.rung
        if call.has(Outcome.voice):
            self._agenda.add(call, now + VOICE_AFTER_S, lambda at: self._voice(call, at))
        self._agenda.add(call, now + RING_LIMIT_S, lambda at: self._not_answered(call, at))
        self._ring_once(call, now)

    def _ring_once(self, call: Call, now: float) -> None:
        if call.called:
            self.tell(call.called, Heard.ringing)
        self.tell(call.caller, Heard.ringback)
        self._agenda.add(call, now + RING_CYCLE_S, lambda at: self._ring_once(call, at))

    def _stop_ringing(self, call: Call) -> None:
        if call.called:
            call.called.phase, call.called.call = Phase.on_hook, None
            self.tell(call.called, Heard.ringing_stopped)

    def _not_answered(self, call: Call, now: float) -> None:
        self._tape.note(CallUnanswered(call=call.ordinal, time=now))
        self._stop_ringing(call)
        self.tell(call.caller, Heard.busy)
        self._end(call, now)

    def _voice(self, call: Call, now: float) -> None:
        self._tape.note(VoiceAnswered(call=call.ordinal, time=now))
        self.tell(call.caller, Heard.voice)
        self._end(call, now)

    # Answer and training.

    def off_hook_while_rung(self, call: Call, called: Subscriber, now: float) -> None:
        """The called line went off hook, but not to answer."""
        self._tape.note(CallSilent(call=call.ordinal, line=called.name, time=now))
        self._taken_up(call, Stage.silent)
        caller = call.caller
        self._agenda.add(
            call, now + NO_DIAL_TONE_S, lambda _: self.tell(called, Heard.no_dial_tone)
        )
        self._agenda.add(
            call, now + call.delay_s + QUIET_S, lambda _: self.tell(caller, Heard.quiet)
        )

    def answer(self, call: Call, end: Subscriber, now: float) -> None:
        if end is not call.called or call.stage not in (Stage.ringing, Stage.silent):
            return
        self._tape.note(CallAnswered(call=call.ordinal, line=end.name, time=now))
        self._taken_up(call, Stage.training)
        caller, delay_s = call.caller, call.delay_s
        self._agenda.add(call, now + delay_s, lambda _: self.tell(caller, Heard.answered))
        trained_at = now + TRAINING_S + 2 * TRAINING_ROUND_TRIPS * delay_s
        self._agenda.add(call, trained_at, lambda at: self._trained(call, at))

    def _taken_up(self, call: Call, stage: Stage) -> None:
        self._agenda.cancel(call)
        call.stage = stage
        if call.called:
            call.called.phase = Phase.engaged

    def _trained(self, call: Call, now: float) -> None:
        caller, called = call.ends
        most = [end.line.rate_bit_s for end in call.ends]
        if call.rule and call.rule.rate_bit_s:
            most.append(call.rule.rate_bit_s)
        rate, carrier = agree(caller.offer, called.offer, min(most))
        if not rate:
            self._tape.note(NoCommonRate(call=call.ordinal, time=now))
        if not rate or call.has(Outcome.training_fails):
            self._tape.note(TrainingFailed(call=call.ordinal, time=now))
            for end in (caller, called):
                self.tell(end, Heard.training_failed)
            self._end(call, now)
            return

        errors = call.rule.bit_error_rate if call.rule else 0.0
        for end in (caller, called):
            noise = Noise(errors, self._random) if errors else None
            call.towards[end] = Circuit(rate, call.delay_s, noise)
            self.tell(end, Trained(rate, carrier))
        call.stage = Stage.data
        self._connected.append(call)
        self._tape.connected(call.ordinal, caller.line, called.line, call.number, rate, now)
        if call.rule and call.rule.after_s:
            self._agenda.add(call, now + call.rule.after_s, lambda at: self._drop(call, at))

    # Data.

    def send(self, call: Call, end: Subscriber, data: bytes, now: float) -> None:
        """Data of an end that is still in the call; lost unless the call carries data."""
        other = call.other(end)
        if call.stage is Stage.data and other and data:
            self._tape.sent(call.ordinal, end.name, len(data), now)
            call.towards[other].send(data, now)

    def queued(self, call: Call, end: Subscriber) -> int:
        other = call.other(end)
        circuit = call.towards.get(other) if other else None
        return circuit.waiting if circuit else 0

    def deliver(self, now: float) -> None:
        for call in tuple(self._connected):
            for end, circuit in tuple(call.towards.items()):
                data = circuit.arrived(now)
                if data and call.stage is not Stage.over:
                    self._arrive(call, end, data, now)

    def _arrive(self, call: Call, end: Subscriber, data: bytes, now: float) -> None:
        data = data[: call.bytes_left]
        call.arrived_bytes += len(data)
        self._tape.arrived(call.ordinal, end.name, data, now)
        self._told.append((end.name, data))
        if call.bytes_left == 0:
            self._drop(call, now)

    @property
    def wake_at(self) -> float | None:
        circuits = [circuit for call in self._connected for circuit in call.towards.values()]
        return min((at for each in circuits if (at := each.wake_at) is not None), default=None)

    # The end.

    def hung_up(self, call: Call, end: Subscriber, now: float) -> None:
        """An end is on hook, and no longer in the call."""
        self._tape.note(HungUp(call=call.ordinal, line=end.name, time=now))
        other = call.other(end)
        if call.stage is Stage.ringing:
            self._stop_ringing(call)
            self._end(call, now)
        elif other is None or other not in call.ends:
            self._end(call, now)
        else:
            self._clear(call, end, other, now)

    def _clear(self, call: Call, end: Subscriber, other: Subscriber, now: float) -> None:
        """The other end gets what has left already, then it hears that the carrier is gone."""
        if circuit := call.towards.get(other):
            lost = circuit.cut(now)
            del call.towards[end]
            if lost:
                self._tape.note(BytesLost(call=call.ordinal, line=end.name, count=lost, time=now))
        self._agenda.cancel(call)
        call.stage = Stage.clearing
        self._agenda.add(call, now + call.delay_s, lambda at: self._dropped(call, at))

    def _drop(self, call: Call, now: float) -> None:
        self._tape.note(LineDropped(call=call.ordinal, time=now))
        self._dropped(call, now)

    def _dropped(self, call: Call, now: float) -> None:
        for end in call.ends:
            self.tell(end, Heard.dropped)
        self._end(call, now)

    def _end(self, call: Call, now: float) -> None:
        """Whoever is still in it hears nothing until it hangs up."""
        self._agenda.cancel(call)
        for end in call.ends:
            end.call = None
        call.stage = Stage.over
        if call in self._connected:
            self._connected.remove(call)
            self._tape.ended(call.ordinal, now)
