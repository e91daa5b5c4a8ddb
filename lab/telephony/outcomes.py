"""Which rule is for which call; when and how it happens is ``exchange``'s business."""

from __future__ import annotations

from collections.abc import Sequence

from lab.topology.telephone import CallRule, Outcome

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
