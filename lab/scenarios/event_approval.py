"""Hardware fails on consoles whose events wait for approval: one is approved, one rejected, others are left.

Then time passes, and what nobody has approved has to wait still (M-10 to M-14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lab.errors import PathError, ProtocolError
from lab.events_manager.service import NAME, EventsAtWork
from lab.events_manager.waiting import EventState
from lab.linux import idling
from lab.wait import comes_true, let_pass

if TYPE_CHECKING:
    from lab.inside.running import RunningLab

SENT_S = 1300.0
"""For the reference agent to try all of IBM's servers, twice."""
DAY_S = 86400.0
"""So long events wait that nobody can approve."""
USER, MEANS = "the lab's user", "lab"
FIRST, SECOND, THIRD = "Fan 3 has failed", "Power supply 1 has failed", "Disk 5 has failed"


def live(lab: RunningLab) -> bool:
    """Whether IBM has the event that was approved."""
    work = cast("EventsAtWork", lab.service(NAME))
    registered = [work.consoles[each.node] for each in work.plan.registered]
    approved, rejected = registered[0].fail(FIRST), registered[0].fail(SECOND)
    for console in work.consoles.values():
        if console is not registered[0] or len(registered) == 1:
            console.fail(THIRD)
    found, problems = work.manager.listed()
    try:
        if approved not in [each.identifier for each in found]:
            why = "; ".join(f"no answer of {each}" for each in problems)
            raise ProtocolError(f"{approved} does not wait, or is not listed: {why or 'no reason'}")
        for event, is_approved in ((approved, True), (rejected, False)):
            shown = work.manager.shown(event)
            work.manager.decide(event, shown.sha256, USER, MEANS, approved=is_approved)
    except PathError as error:
        lab.path_lost(error)
        let_pass(DAY_S)
        return False
    events = registered[0].events
    sent = comes_true(
        "IBM has what was approved",
        lambda: events.find(approved).state is EventState.sent,
        SENT_S,
    )
    with idling.quiet_own():
        let_pass(work.plan.waits_s)
    return sent
