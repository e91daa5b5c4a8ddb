"""What is to happen to calls, declared as rules; when and how it happens is ``exchange``'s business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.errors import UsageError
from lab.topology.telephone import Outcome

NEEDS_MODEM = frozenset(
    (Outcome.training_fails, Outcome.slow_training, Outcome.line_drops, Outcome.noise)
)
"""The outcomes of calls that a modem can take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The outcome of the calls that it fits; of several the first that is not used up holds.

    The rate and the bit error rate hold with every outcome that trains, so that a slow line may
    also drop.
    """

    outcome: Outcome
    caller: str = ""
    """The name of the calling line; empty: any."""
    number: str = ""
    """The number dialled, which with this becomes part of the plan; empty: any."""
    times: int | None = None
    """To how many calls it applies; None: all."""
    rate_bit_s: int | None = None
    """At most this is negotiated."""
    after_s: float | None = None
    """``line-drops``: so long after training."""
    after_bytes: int | None = None
    """``line-drops``: when so many bytes, of both directions together, have arrived."""
    bit_error_rate: float = 0.0
    """Of what arrives at the terminal; as on a call without error correction."""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise UsageError(f"rule {self.outcome} for calls: {problem}")

    def _problem(self) -> str:
        outcome = self.outcome
        if self.number and not self.number.isdecimal():
            return f"number: {self.number!r} has other characters than digits"
        if outcome is Outcome.no_dialtone and self.number:
            return "number: none is known yet when dial tone is due"
        if self.times is not None and self.times < 1:
            return "times: at least 1"
        return self._problem_with_line()

    def _problem_with_line(self) -> str:
        outcome = self.outcome
        if (self.rate_bit_s is None and outcome is Outcome.slow_training) or (
            self.rate_bit_s is not None and self.rate_bit_s < 1
        ):
            return "rate_bit_s: at least 1"
        if not (0 < self.bit_error_rate <= 0.5 or self.bit_error_rate == 0):
            return "bit_error_rate: at most 0.5"
        if outcome is Outcome.noise and not self.bit_error_rate:
            return "bit_error_rate: more than 0"

        drops = (self.after_s, self.after_bytes)
        if (outcome is Outcome.line_drops) == (drops == (None, None)):
            return "after_s or after_bytes: with line-drops one of them, else none"
        if any(value is not None and not value >= 0 for value in drops):
            return "after_s and after_bytes: not negative"
        return ""


class Rulebook:
    """The rules in their order, and how often each still applies."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._left = [rule.times for rule in rules]

    def at_off_hook(self, caller: str) -> bool:
        """Whether this call gets no dial tone; uses up the rule that says so.

        A rule for one number is passed over, since it is not known yet whether it will fit.
        """
        for index, rule in self._in_force(caller):
            if not rule.number:
                return rule.outcome is Outcome.no_dialtone and self._use(index) is not None
        return False

    def at_call(self, caller: str, number: str, *, modem: bool) -> Rule | None:
        """The rule for this call, used up once; ``modem``: a line that is free has the number."""
        for index, rule in self._in_force(caller):
            if rule.outcome is Outcome.no_dialtone or rule.number not in ("", number):
                continue
            # It would hold if there were a modem; there is none, so nature takes its course.
            return None if rule.outcome in NEEDS_MODEM and not modem else self._use(index)
        return None

    def _in_force(self, caller: str) -> list[tuple[int, Rule]]:
        return [
            (index, rule)
            for index, rule in enumerate(self._rules)
            if self._left[index] != 0 and rule.caller in ("", caller)
        ]

    def _use(self, index: int) -> Rule:
        left = self._left[index]
        if left is not None:
            self._left[index] = left - 1
        return self._rules[index]
