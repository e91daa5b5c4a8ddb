"""The telephone exchange: connects lines by number, with tones, ringing, training and data.

Effects of the lines' modems in, what their modems are told out; no descriptor, clock or thread.
Times are seconds on any one clock. Everything happens at its own time also when ``tick`` comes
late, in the order of these times.

What it does where exchanges differ:

- Ringing has the cadence of the USA, 2 s and 4 s of silence (ITU-T E.180, supplement 2), and begins
  as soon as the call is put through; it ends after three minutes (Q.931 T301).
- Digits before dial tone are lost, and so are those after a number is complete. Fifteen seconds
  without one end the dialling (Q.931 T302): with a call if they are a number that could go on.
- Whoever hangs up loses what its modem has not sent; what has left arrives, then ``Dropped``.
- After busy tone, a drop or a failed training a line is dead until it hangs up, as is one that goes
  off hook and never dials: it gets no second dial tone.
- A line that goes off hook while it rings, but not by ``Answer``, is in the call, and silent: no
  ring, no dial tone. ``Answer`` still answers. So of two that dial each other both hear busy tone,
  or one meets the other's call, and neither ever has two calls.
- A call to one's own number meets a line that is off hook: busy, unless another line has it too.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Sequence
from itertools import count

from lab.errors import UsageError
from lab.telephony import signals
from lab.telephony.call_control import NO_DIAL_TONE_S, QUIET_S, CallControl, Told
from lab.telephony.calls import Agenda, Call, Phase, Rulebook, Subscriber
from lab.telephony.events import NoDialTone, NothingDialled
from lab.telephony.signals import Effect, Heard, Hook
from lab.telephony.tape import Tape
from lab.topology.telephone import CallRule, ModemLine, Outcome

DIAL_TONE_S = (0.1, 0.3)
"""After going off hook, drawn between these; our choice."""
DIGIT_TIMEOUT_S = 15.0
SETUP_S = 0.2
"""From the last digit until ringing or a tone; our choice."""


class Exchange:
    """Lines, and the rules for their calls."""

    def __init__(
        self,
        lines: Sequence[ModemLine],
        rules: Sequence[CallRule] = (),
        *,
        random: random_module.Random,
        tape: Tape,
    ) -> None:
        self._subscribers = {line.name: Subscriber(line) for line in lines}
        if len(self._subscribers) != len(lines):
            raise UsageError("two lines of the exchange have one name")
        numbers = [*(line.number for line in lines), *(rule.number for rule in rules)]
        self._numbers = frozenset(filter(None, numbers))
        self._rules = Rulebook(rules)
        self._random = random
        self._tape = tape
        self._agenda = Agenda()
        self._told: Told = []
        self._calls = CallControl(self._agenda, self._told, tape, random)
        self._ordinals = count(1)
        self._now = float("-inf")

    def effect(self, line: str, effect: Effect, now: float) -> Told:
        """What a line's modem does; returns what modems are told at once, in order."""
        now = self._advance(now)
        end = self._subscribers[line]
        match effect:
            case Hook.off:
                self._off_hook(end, now)
            case Hook.on:
                self._on_hook(end, now)
            case Hook.flash:
                self._flash(end, now)
            case signals.DialDigits(digits=digits):
                self._digits(end, digits, now)
            case Hook.answer:
                self._answer(end, now)
            case signals.Modulation(offer=offer):
                end.offer = offer
            case signals.ToLine(data=data) if end.call:
                self._calls.send(end.call, end, data, now)
            case _:
                pass  # Between a modem and its terminal, or to nobody.
        self._advance(now)
        return self._take_told()

    def tick(self, now: float) -> Told:
        """Whatever is due."""
        self._advance(now)
        return self._take_told()

    @property
    def wake_at(self) -> float | None:
        """When ``tick`` is wanted next; None as long as nothing happens by itself."""
        times = (self._agenda.next_at, self._calls.wake_at)
        return min((at for at in times if at is not None), default=None)

    def queued(self, line: str) -> int:
        """How many bytes its modem holds that have not left yet.

        Whoever reads the terminal does well to stop at 4 KiB or two chunks of the circuit.
        """
        end = self._subscribers[line]
        return self._calls.queued(end.call, end) if end.call else 0

    def partner(self, line: str) -> str | None:
        """The line at the other end of its call, if both are still in it."""
        end = self._subscribers[line]
        other = end.call.other(end) if end.call else None
        return other.name if other and other.call is end.call else None

    def _advance(self, now: float) -> float:
        """Let happen what is due, each thing at its time; a clock that went back stands still."""
        now = self._now = max(now, self._now)
        while (at := self._agenda.next_at) is not None and at <= now:
            self._calls.deliver(at)
            # The data may have ended the call to which this belonged.
            if self._agenda.next_at == at:
                self._agenda.pop()(at)
        self._calls.deliver(now)
        return now

    def _take_told(self) -> Told:
        told = list(self._told)
        self._told.clear()
        return told

    # Off hook and on hook.

    def _off_hook(self, end: Subscriber, now: float) -> None:
        if end.phase is Phase.rung and end.call:
            self._calls.off_hook_while_rung(end.call, end, now)
        elif end.phase is Phase.on_hook and self._rules.at_off_hook(end.name):
            self._no_dial_tone(end, now)
        elif end.phase is Phase.on_hook:
            self._dial_tone_soon(end, now)

    def _no_dial_tone(self, end: Subscriber, now: float) -> None:
        self._tape.note(NoDialTone(line=end.name, time=now))
        end.phase = Phase.engaged
        self._agenda.add(
            end, now + NO_DIAL_TONE_S, lambda _: self._calls.tell(end, Heard.no_dial_tone)
        )

    def _dial_tone_soon(self, end: Subscriber, now: float) -> None:
        end.phase, end.digits = Phase.waiting, ""
        self._agenda.cancel(end)
        at = now + self._random.uniform(*DIAL_TONE_S)
        self._agenda.add(end, at, lambda at: self._dial_tone(end, at))

    def _dial_tone(self, end: Subscriber, now: float) -> None:
        end.phase = Phase.dialling
        self._calls.tell(end, Heard.dial_tone)
        self._await_digits(end, now)

    def _flash(self, end: Subscriber, now: float) -> None:
        """Recalls the dial tone before there is a call; no call can be held."""
        if end.phase in (Phase.waiting, Phase.dialling):
            self._dial_tone_soon(end, now)

    def _on_hook(self, end: Subscriber, now: float) -> None:
        if end.phase in (Phase.on_hook, Phase.rung):
            return
        self._agenda.cancel(end)
        # Of what was due before, its modem had no notice when it hung up.
        self._told[:] = [entry for entry in self._told if entry[0] != end.name]
        call = end.call
        end.phase, end.call = Phase.on_hook, None
        if call:
            self._calls.hung_up(call, end, now)

    def _answer(self, end: Subscriber, now: float) -> None:
        if end.call:
            self._calls.answer(end.call, end, now)
        elif end.phase is Phase.on_hook:
            # It hears dial tone, but does not listen for any.
            end.phase = Phase.engaged

    # Digits.

    def _digits(self, end: Subscriber, digits: str, now: float) -> None:
        if end.phase is not Phase.dialling:
            return
        for position, digit in enumerate(digits, 1):
            end.digits += digit
            if any(n != end.digits and n.startswith(end.digits) for n in self._numbers):
                continue
            if end.digits not in self._numbers:
                end.digits += digits[position:]  # so that the tape has what was dialled
            self._set_up(end, now)
            return
        self._await_digits(end, now)

    def _await_digits(self, end: Subscriber, now: float) -> None:
        self._agenda.cancel(end)
        if end.digits:
            self._agenda.add(end, now + QUIET_S, lambda _: self._calls.tell(end, Heard.quiet))
        self._agenda.add(end, now + DIGIT_TIMEOUT_S, lambda at: self._no_digits(end, at))

    def _no_digits(self, end: Subscriber, now: float) -> None:
        if end.digits:
            self._set_up(end, now)
            return
        self._tape.note(NothingDialled(line=end.name, time=now))
        end.phase = Phase.engaged

    def _set_up(self, end: Subscriber, now: float) -> None:
        self._agenda.cancel(end)
        end.phase = Phase.engaged
        self._agenda.add(end, now + SETUP_S, lambda at: self._route(end, at))

    def _route(self, caller: Subscriber, now: float) -> None:
        """The number is complete, or can be none: who rings, or what the caller hears."""
        number = caller.digits
        lines = [end for end in self._subscribers.values() if end.line.number == number]
        free = next((end for end in lines if end.phase is Phase.on_hook), None)
        rule = self._rules.at_call(caller.name, number, modem=free is not None)
        call = Call(next(self._ordinals), caller, number, rule)
        outcome = rule.outcome if rule else None
        if outcome is None and not free:
            outcome = Outcome.busy if lines else Outcome.unobtainable
        match outcome:
            case Outcome.busy | Outcome.lines_taken:
                self._calls.refuse(call, Heard.busy, outcome, now)
            case Outcome.unobtainable:
                self._calls.refuse(call, Heard.unobtainable, outcome, now)
            case Outcome.no_answer | Outcome.voice:
                self._calls.ring(call, now)
            case (
                Outcome.no_dialtone  # looked for at off-hook
                | Outcome.training_fails
                | Outcome.slow_training
                | Outcome.line_drops
                | Outcome.noise
                | None
            ):
                call.called = free
                self._calls.ring(call, now)
