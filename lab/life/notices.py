"""Whether the agent hears from the management module, and calls home with it (E-05)."""

from __future__ import annotations

from collections import Counter

from lab.life.chronicle import DAY_S, Chronicle, Happening
from lab.names import all_of, count
from lab.verify.finding import Check, Finding

LAST_DAY_S = DAY_S
"""What the module tells so shortly before the end may still be queued then."""


def check_e_05(life: Chronicle) -> Finding:
    """A subscription, and then each failure of the module's is a problem at IBM."""
    check = Check(
        "E-05",
        "the agent subscribes at the management module, takes each notice, and calls home with a problem",
    )
    if life.idle:
        return check.not_tested(life.idle)
    raised = life.having("imm")
    if not raised:
        return check.not_tested("no management module told of a failure in this life")
    if not life.subscriptions:
        return check.not_tested("the agent never subscribed at the management module")
    since = min(life.subscriptions)
    told = [each for each in raised if each.time >= since and not _is_dead(life, each)]
    if not told:
        return check.not_tested("the agent did not run, or had not subscribed, at each failure")
    missed = [each.subject for each in told if each.subject not in life.noticed]
    check.want(not missed, f"no notice was taken of {all_of(missed)}")
    stored = Counter(problem.text for problem in life.problems)
    due = [e for e in told if life.ended - e.time > LAST_DAY_S and not life.is_dark(life.ended)]
    lost = [e.subject for e in due if e.subject in life.noticed and not stored[e.subject]]
    check.want(not lost, f"the notice was taken, and no problem came to IBM: {all_of(lost)}")
    twice = [each.subject for each in told if stored[each.subject] > 1]
    check.want(not twice, f"arrived more than once: {all_of(twice)}")
    arrived = sum(bool(stored[each.subject]) for each in told)
    return check.finding(
        f"subscribed, and {count(len(told), 'failure')} told by the module; {arrived} with IBM"
    )


def _is_dead(life: Chronicle, failure: Happening) -> bool:
    """Whether the agent was killed then, or so shortly after that it may not have taken the notice."""
    return any(kill.time - 1 <= failure.time < kill.until for kill in life.having("kill"))
