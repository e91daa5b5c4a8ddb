"""What an agent did at first (E-12) and regularly (E-14, E-15), and what it asked IBM for (E-19, R-04); what
IBM told and deleted (E-20, E-21)."""

from __future__ import annotations

from itertools import pairwise

from lab.life.chronicle import DAY_S, Chronicle
from lab.names import all_of, count
from lab.verify.finding import Check, Finding

SLACK = 1.1
"""So much longer than its interval a pause may be: an agent may spread its calls."""
TRIED_AGAIN_S = 2 * 3600.0
"""After what held it up is over, an agent may take so long to try again."""
TOO_MANY = 2
"""So many times as often as it has to is too often."""
CHECKED_S = 2 * DAY_S
"""Within this time of a change an agent that looks once a day has seen it."""
REPORT_S, DATA_S = 60 * DAY_S, 3 * DAY_S
KEY_LIVES_S = 180 * DAY_S
"""Of an access key, unless the script has IBM give others."""
LATE_S = 2 * DAY_S


def check_e_12(life: Chronicle) -> Finding:
    """The connectivity test of the activation, before anything is reported."""
    check = Check("E-12", "activation tests the connection by a heartbeat, before any other report")
    if life.hmc_managed:
        return check.not_tested(life.idle)
    first = min(life.messages, key=lambda each: each.received, default=None)
    if first is None:
        return check.not_tested("the agent reported nothing")
    check.want(first.kind == "heartbeat", f"the first report was of the kind {first.kind}")
    return check.finding(
        f"a heartbeat came first, {first.received - life.began:.0f} s after the start"
    )


def check_e_14(life: Chronicle) -> Finding:
    """A heartbeat a day."""
    return _regular(life, "E-14", "heartbeat", DAY_S, "a day")


def check_e_15(life: Chronicle) -> Finding:
    """The system's configuration once a week."""
    return _regular(life, "E-15", "inventory", 7 * DAY_S, "a week")


def _regular(
    life: Chronicle, requirement: str, kind: str, interval_s: float, every: str
) -> Finding:
    check = Check(requirement, f"one {kind} {every} while the agent is active")
    if life.hmc_managed:
        return check.not_tested(life.idle)
    times = [each.received for each in life.messages if each.kind == kind]
    if not times:
        return check.not_tested(f"the agent never sent one: no {kind}")
    begun = life.enrolled or life.began
    if life.ended - begun < interval_s * SLACK:
        return check.not_tested(f"the life is too short: {count(len(times), kind)}")
    for before, after in pairwise([begun, *sorted(times), life.ended]):
        pause = after - before - _excused(life, before, after)
        if pause > interval_s * SLACK:
            check.object(
                f"{pause / DAY_S:.1f} days without one, from {_day(life, before)} to {_day(life, after)}"
            )
    due = (life.ended - begun) / interval_s
    check.want(len(times) <= TOO_MANY * due + 1, f"{len(times)}, and {due:.0f} were due")
    return check.finding(f"{len(times)} in {(life.ended - begun) / DAY_S:.0f} days")


def _excused(life: Chronicle, since: float, until: float) -> float:
    """Of a pause: when nothing could be done, and what the clock of the agent's host lost."""
    dark = life.darkness(since, until)
    leapt = sum(
        abs(e.by_s) for e in life.having("clock") if since <= e.time <= until and e.by_s < 0
    )
    delayed = any(e.time < until and e.until > since for e in life.hindrances)
    return dark + leapt + (TRIED_AGAIN_S if dark or delayed else 0.0)


def check_e_19(life: Chronicle) -> Finding:
    """A key that ends is asked for again before."""
    check = Check("E-19", "the access key is renewed before it ends")
    asked = [each.time for each in life.of("access-key") if each.served]
    if not asked:
        return check.not_tested("the agent never asked for an access key")
    ends = 0
    for given, renewed in pairwise([*asked, life.ended]):
        shorter = [each.by_s for each in life.having("access-key") if each.time < given]
        end = given + (shorter[-1] if shorter else KEY_LIVES_S)
        ends += end < life.ended
        alive = renewed - _excused(life, end, renewed) <= end
        check.want(alive, f"the key that ended on {_day(life, end)} was not renewed before")
    if not ends:
        return check.not_tested("no key ended in this life")
    return check.finding(f"asked for {count(len(asked), 'time')}, and never without a key")


def check_e_20(life: Chronicle) -> Finding:
    """A problem report has a number of IBM's as its answer, which the agent gets."""
    check = Check("E-20", "each problem that is reported gets its number from IBM (PMH)")
    if not life.problems:
        return check.not_tested("no problem arrived")
    answered = {each.report for each in life.of("problem") if each.served}
    lacking = [p.number for p in life.problems if p.report not in answered]
    check.want(not lacking, f"{all_of(lacking)} went to nobody")
    refused = {e.report for e in life.of("problem") if 400 <= e.status < 500} - answered
    check.want(not refused, f"{count(len(refused), 'problem report')} refused, and given up")
    used = {*life.uploads, *(e.report for e in life.of("problem-state", "upload-declaration"))}
    linked = sum(problem.report in used for problem in life.problems)
    told = f"; {linked} of them were gone on with" if linked else ""
    return check.finding(f"{count(len(life.problems), 'problem')} with a number{told}")


def check_e_21(life: Chronicle) -> Finding:
    """IBM deletes what a report says 60 days after the closure, and problem data after three days."""
    check = Check(
        "E-21", "IBM deletes reports 60 days after closure, and problem data after 3 days"
    )
    due = [p for p in life.problems if p.closed and p.closed + REPORT_S + LATE_S < life.ended]
    kept = [problem.number for problem in due if problem.kept]
    check.want(not kept, f"{all_of(kept)} should be deleted")
    for removal in life.removals:
        longest = DATA_S if removal.what == "data" else None
        late = longest is not None and removal.removed - removal.stored > longest + LATE_S
        check.want(not late, f"data of {removal.report} were kept too long")
    early = [r for r in life.removals if r.what == "data" and r.removed - r.stored < DATA_S]
    check.want(not early, f"data of {all_of([r.report for r in early])} were deleted too early")
    if not due and not life.removals:
        return check.not_tested("nothing had to be deleted in this life")
    return check.finding(f"{count(len(life.removals), 'deletion')}, in time")


def check_r_04(life: Chronicle) -> Finding:
    """After the configuration says so, an errand's former servers are not called any more."""
    check = Check("R-04", "the configuration is looked at, and new addresses are used from then on")
    moves = life.having("move")
    if not moves:
        return check.not_tested("nothing moved in this life")
    seen = []
    for move in moves:
        fetched = [e.time for e in life.of("configuration") if e.served and e.time > move.time]
        if not fetched:
            continue
        late = fetched[0] - move.time - _excused(life, move.time, fetched[0])
        check.want(late <= CHECKED_S, f"the configuration was seen {late / DAY_S:.1f} days later")
        former = [c for c in life.calls if c.address in move.addresses and c.time > fetched[0] + 60]
        check.want(not former, f"{count(len(former), 'call')} to {all_of([*move.addresses])} after")
        hosts = {url.split("/")[2].split(":")[0] for url in move.urls}
        served = [e for e in life.service if e.served and e.time > fetched[0]]
        seen += [e for e in served if hosts & {e.server, e.address}]
    if not seen:
        return check.not_tested("after a move the new servers were not called")
    return check.finding(f"{count(len(seen), 'request')} at the new servers, none at the former")


def _day(life: Chronicle, moment: float) -> str:
    return f"day {(moment - life.began) / DAY_S:.1f}"
