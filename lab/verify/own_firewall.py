"""What OUT-22 and OUT-26 have in common: the HMC's own firewall applies to what goes through PPP.

While a way is in use, the lab puts a drop rule on PPP and the same on the uplink, and tries to connect. The
kind of way says what its PPP is carried by.
"""

from __future__ import annotations

from collections.abc import Callable

from lab.names import count
from lab.record.trial_event import OwnRuleTried
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.wire.decode import TCP, Frame

IN_FLIGHT_S = 0.1
"""What was sent before a rule came in may still be on its way for so long."""


def judge_own_firewall(
    case: Case,
    requirement: str,
    *,
    kind: str,
    inside: str,
    carriers: str,
    outlived: Callable[[Case, OwnRuleTried], bool] = lambda case, trial: True,
) -> Finding:
    """The finding for a kind of way.

    ``inside`` says where TCP goes, ``carriers`` what must stay up; ``outlived`` is whether the captures show
    that the carriers did.
    """
    check = Check(
        requirement,
        f"a drop rule of the HMC on its PPP interface stops TCP {inside} while {carriers} stay up; the same "
        "rule on the uplink sees none of it",
    )
    trials = [t for t in case.record.trials if case.has_way(kind, t.source, t.time)]
    calls = [c for c in case.record.calls if c.succeeded and case.has_way(kind, c.agent, c.ended)]
    if case.came_home and not calls:
        return check.not_tested("no call home went this way, so the trial was not made")
    if not trials and (not case.called or case.failed_calls):
        return check.not_tested(f"{case.why_not_home}, so the trial was not made")
    if not case.failed_calls:
        for name in sorted({c.agent for c in calls} - {t.source for t in trials}):
            check.object(f"no rule was tried on {name}")
    for trial in trials:
        _judge_trial(case, check, trial, inside)
        if not trial.sessions_open or not outlived(case, trial):
            check.object(f"of {trial.source}, not all of {carriers} outlived the rule")

    dropped = sum(trial.dropped for trial in trials)
    return check.finding(
        f"the rule on PPP dropped {count(dropped, 'packet')}, the one on the uplink saw 0; "
        f"{carriers} stayed up"
    )


def _judge_trial(case: Case, check: Check, trial: OwnRuleTried, inside: str) -> None:
    if trial.connected:
        check.object(f"TCP got through {trial.interface} of {trial.source} in spite of the rule")
    if trial.dropped == 0:
        check.object(f"the rule on {trial.interface} of {trial.source} counted nothing")
    if trial.counted_on_uplink:
        packets = count(trial.counted_on_uplink, "packet")
        check.object(f"the rule on {trial.uplink} saw {packets}")
    leaked = [
        frame
        for client, frame, destination in _tcp_inside(case)
        if client == trial.source
        and trial.started + IN_FLIGHT_S <= frame.time <= trial.time
        and destination == trial.destination
    ]
    if leaked:
        check.object(f"TCP to {trial.destination} is {inside} while the rule is in", leaked)


def _tcp_inside(case: Case) -> list[tuple[str, Frame, str]]:
    """Every TCP packet towards IBM inside PPP: the client that sent it, and where to."""
    found = [(item.client, item.frame, p) for item, p in case.data() if item.outgoing]
    found += [
        (call.client, item.frame, item.data)
        for call in case.telephone_calls
        for item in call.frames
        if item.outgoing and item.data
    ]
    return [(client, frame, p.destination) for client, frame, p in found if p.protocol == TCP]
