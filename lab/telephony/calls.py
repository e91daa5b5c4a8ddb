"""What the exchange remembers: subscribers, calls, its plan, and what is due when. No signals here."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count

from lab.telephony.circuit import Circuit
from lab.telephony.modulation import Offer, common_carrier, common_rate
from lab.topology.telephone import CallRule, ModemLine, Outcome


class Phase(Enum):
    """What a line is doing, as the exchange sees it."""

    on_hook = auto()
    rung = auto()
    waiting = auto()
    """Off hook, and dial tone comes soon."""
    dialling = auto()
    """The exchange listens for digits."""
    calling = auto()
    """The number is complete; the caller waits for what becomes of it."""
    connected = auto()
    """The called end is off hook."""
    dead = auto()
    """Busy tone, silence and the like, until it hangs up."""


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

    @property
    def rate_bit_s(self) -> int:
        """What training ends with: the most that both modems and the rule allow; 0: nothing."""
        return common_rate(*self._offers, self._most_bit_s)

    @property
    def carrier(self) -> str:
        """The modulation of this rate."""
        return common_carrier(*self._offers, self._most_bit_s, self.rate_bit_s)

    @property
    def _offers(self) -> tuple[Offer, Offer]:
        return self.caller.offer, (self.called or self.caller).offer

    @property
    def _most_bit_s(self) -> int:
        rates = [end.line.rate_bit_s for end in (self.caller, self.called) if end]
        if self.rule and self.rule.rate_bit_s:
            rates.append(self.rule.rate_bit_s)
        return min(rates)

    def has(self, outcome: Outcome) -> bool:
        return self.rule is not None and self.rule.outcome is outcome

    @property
    def bytes_left(self) -> int | None:
        """How many may still arrive before the line drops; None: any number."""
        if self.rule is None or not self.rule.after_bytes:
            return None
        return self.rule.after_bytes - self.arrived_bytes


class NumberState(Enum):
    """What the digits so far are."""

    incomplete = auto()
    could_be_longer = auto()
    complete = auto()
    impossible = auto()


def number_state(digits: str, numbers: Collection[str]) -> NumberState:
    longer = any(number != digits and number.startswith(digits) for number in numbers)
    if digits in numbers:
        return NumberState.could_be_longer if longer else NumberState.complete
    return NumberState.incomplete if longer else NumberState.impossible


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
