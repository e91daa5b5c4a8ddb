"""What the exchange remembers: subscribers, calls, rules for calls, and what is due when. No signals here."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count

from lab.telephony.circuit import Circuit
from lab.telephony.modulation import Offer
from lab.topology.telephone import CallRule, ModemLine, Outcome


class Phase(Enum):
    """What a line is doing, as the exchange sees it."""

    on_hook = auto()
    rung = auto()
    waiting = auto()
    """Off hook, and dial tone comes soon."""
    dialling = auto()
    """The exchange listens for digits."""
    engaged = auto()
    """Off hook, and the exchange listens for nothing: there is a call, or busy tone, silence and the like."""


@dataclass(slots=True, eq=False)
class Subscriber:
    """A line with what it is doing."""

    line: ModemLine
    phase: Phase = Phase.on_hook
    digits: str = ""
    call: Call | None = None
    offer: Offer = field(default_factory=Offer)
    """What its modem trains with."""

    @property
    def name(self) -> str:
        return self.line.name


class Stage(Enum):
    """How far a call is."""

    ringing = auto()
    silent = auto()
    """The called line is off hook, but no modem answers there."""
    training = auto()
    data = auto()
    clearing = auto()
    """One end has hung up, and the other does not know it yet."""
    over = auto()


@dataclass(slots=True, eq=False)
class Call:
    """One call, from the complete number to its end."""

    ordinal: int
    caller: Subscriber
    number: str
    rule: CallRule | None
    called: Subscriber | None = None
    """None: nothing of ours rings."""
    stage: Stage = Stage.ringing
    towards: dict[Subscriber, Circuit] = field(default_factory=dict)
    """The data on its way to each end."""
    arrived_bytes: int = 0

    @property
    def ends(self) -> tuple[Subscriber, ...]:
        """Those that are still in it."""
        both = (self.caller, self.called)
        return tuple(end for end in both if end is not None and end.call is self)

    def other(self, end: Subscriber) -> Subscriber | None:
        return self.called if end is self.caller else self.caller

    @property
    def delay_s(self) -> float:
        return self.caller.line.delay_s + (self.called.line.delay_s if self.called else 0.0)

    def has(self, outcome: Outcome) -> bool:
        return self.rule is not None and self.rule.outcome is outcome

    @property
    def bytes_left(self) -> int | None:
        """How many may still arrive before the line drops; None: any number."""
        if self.rule is None or not self.rule.after_bytes:
            return None
        return self.rule.after_bytes - self.arrived_bytes


NEEDS_MODEM = frozenset(
    (Outcome.training_fails, Outcome.slow_training, Outcome.line_drops, Outcome.noise)
)
"""The outcomes of calls that a modem can take."""


class Rulebook:
    """The rules in their order, and how often each still applies."""

    def __init__(self, rules: Sequence[CallRule]) -> None:
        self._rules = tuple(rules)
        self._left = [rule.times or None for rule in rules]

    def at_off_hook(self, caller: str) -> bool:
        """Whether this call gets no dial tone; uses up the rule that says so.

        A rule for one number is passed over, since it is not known yet whether it will fit.
        """
        for index, rule in self._in_force(caller):
            if not rule.number:
                return rule.outcome is Outcome.no_dialtone and self._use(index) is not None
        return False

    def at_call(self, caller: str, number: str, *, modem: bool) -> CallRule | None:
        """The rule for this call, used up once; ``modem``: a line that is free has the number."""
        for index, rule in self._in_force(caller):
            if rule.outcome is Outcome.no_dialtone or rule.number not in ("", number):
                continue
            # It would hold if there were a modem; there is none, so nature takes its course.
            return None if rule.outcome in NEEDS_MODEM and not modem else self._use(index)
        return None

    def _in_force(self, caller: str) -> list[tuple[int, CallRule]]:
        return [
            (index, rule)
            for index, rule in enumerate(self._rules)
            if self._left[index] != 0 and rule.caller in ("", caller)
        ]

    def _use(self, index: int) -> CallRule:
        left = self._left[index]
        if left is not None:
            self._left[index] = left - 1
        return self._rules[index]


Action = Callable[[float], None]


class Agenda:
    """What is due when, of whom. Whoever's matters end has it struck off."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, object, Action]] = []
        self._ordinals = count()

    def add(self, owner: object, at: float, action: Action) -> None:
        heapq.heappush(self._heap, (at, next(self._ordinals), owner, action))

    def cancel(self, owner: object) -> None:
        self._heap = [entry for entry in self._heap if entry[2] is not owner]
        heapq.heapify(self._heap)

    @property
    def next_at(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def pop(self) -> Action:
        return heapq.heappop(self._heap)[3]
