"""When what IBM's side did not give is asked for again: data and arithmetic, no clock.

A report that waits is tried every half hour. What nobody waits for is asked for less and less often, so that
a long outage has few calls for it; and at once, when a report has arrived after nobody had been reached.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

MOST_S = 6 * 3600.0
"""Pauses grow to this, a choice of the lab's: four calls in a day without IBM."""


@dataclass(slots=True)
class _Pause:
    """Of one thing that was asked for in vain."""

    until: float
    long_s: float
    reached: bool
    """Whether IBM's side answered, and did not give it."""


class Pauses:
    """The pauses of a service, by what is asked for; times are seconds of a clock that only counts."""

    def __init__(self, first_s: float, steady: Iterable[str] = ()) -> None:
        """``first_s``: the first pause; ``steady``: what always has this pause."""
        self._first_s = first_s
        self._steady = frozenset(steady)
        self._pauses: dict[str, _Pause] = {}

    def begin(self, name: str, now: float, *, reached: bool) -> None:
        """It was asked for in vain: the pause is twice as long as the one before."""
        before = self._pauses.get(name)
        long_s = self._first_s
        if before is not None and name not in self._steady:
            long_s = max(self._first_s, min(2 * before.long_s, MOST_S))
        self._pauses[name] = _Pause(now + long_s, long_s, reached)

    def end(self, name: str) -> None:
        """It was given."""
        self._pauses.pop(name, None)

    def keep(self, names: Collection[str]) -> None:
        """Nothing else is to be asked for any more."""
        for name in self.names - {*names}:
            self.end(name)

    def ibm_reached(self, now: float) -> None:
        """A report has arrived: what was not given because nobody was reached is asked for now."""
        for pause in self._pauses.values():
            if not pause.reached:
                pause.until = min(pause.until, now)

    def over(self, name: str, now: float) -> bool:
        """Whether it may be asked for."""
        return name not in self._pauses or now >= self._pauses[name].until

    def wait_s(self, now: float) -> float:
        """How long nothing may be asked for again; for ever without a pause."""
        return max(0.0, min((p.until - now for p in self._pauses.values()), default=float("inf")))

    @property
    def names(self) -> set[str]:
        return {*self._pauses}
