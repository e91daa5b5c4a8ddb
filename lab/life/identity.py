"""What an agent made of its ID and its password (E-06 to E-10, R-11), by what IBM's servers saw."""

from __future__ import annotations

from itertools import pairwise
from math import inf

from lab.life.chronicle import DAY_S, Chronicle, Enrolled, Happening, ReceiverRequest
from lab.names import all_of, count
from lab.verify.finding import Check, Finding

OLDEST_S = 183 * DAY_S
CHANGED_WITHIN_S = 2 * DAY_S
"""After IBM wants another password: an agent that calls once a day has had its chance."""
TOO_OLD = "older than 183 days"
"""Of the receiver's refusal."""
UNAUTHENTICATED, FORBIDDEN, CONFLICT = 401, 403, 409


def check_e_06(life: Chronicle) -> Finding:
    """The first of what needs an ID is asked for after the enrolment."""
    check = Check("E-06", "the first communication asks for an ID and a password of the machine")
    asked = [each for each in life.service if each.authenticates]
    if not life.enrolled:
        check.want(not asked, f"{count(len(asked), 'request')} without ever having enrolled")
        return check.not_tested("the agent never enrolled")
    early = [each for each in asked if each.time < life.enrolled]
    if early:
        check.object(f"{early[0].kind} came {life.enrolled - early[0].time:.0f} s before it")
    return check.finding(f"enrolled {_since(life, life.enrolled)}, before all else")


def check_e_07(life: Chronicle) -> Finding:
    """One machine has one ID, whatever happens to the agent."""
    check = Check("E-07", "the ID comes from type, model and serial: one machine has one ID")
    if not life.enrolled:
        return check.not_tested("the agent never enrolled")
    own = {machine.identity for machine in life.machines}
    used = {each.identity for each in life.service if each.identity}
    check.want(len(own) == 1, f"{len(own)} machines are enrolled, and there is one")
    check.want(used <= own, f"requests were made as {all_of(sorted(used - own))}")
    again = [e for e in life.of("enrolment") if e.status == CONFLICT]
    if again and not life.having("reset"):
        check.object(f"{count(len(again), 'enrolment')} of a machine that is enrolled")
    return check.finding(f"{all_of(sorted(own))} in {count(len(life.service), 'request')}")


def check_e_08(life: Chronicle) -> Finding:
    """Each session in which something is asked for that needs an ID has one, and the password is right."""
    check = Check("E-08", "each session is authenticated by ID and password, inside of TLS")
    asked = [each for each in life.service if each.authenticates]
    if not asked:
        return check.not_tested("the agent asked for nothing that needs an ID")
    refused = _unexplained(life, asked)
    check.want(not refused, f"{count(len(refused), 'request')} without the right password")
    clear = [each for each in asked if not each.encrypted]
    check.want(not clear, f"{count(len(clear), 'request')} by HTTP in clear")
    logged = [each for each in life.clear if each.logged_in]
    check.want(not logged, f"an ID and a password in clear, {count(len(logged), 'time')}")
    sessions = len({each.peer for each in asked if each.identity})
    return check.finding(f"{count(sessions, 'session')}, each authenticated")


def check_e_09(life: Chronicle) -> Finding:
    """Passwords change whenever IBM wants it, and at least every six months."""
    check = Check(
        "E-09", "the password changes when IBM offers another one, at least every 183 days"
    )
    wanted = [each for each in _wanted(life) if life.ended - each.time > CHANGED_WITHIN_S]
    if not life.machines:
        return check.not_tested("the agent never enrolled")
    old = [each for each in life.service if TOO_OLD in each.detail]
    check.want(not old, f"the password was older than 183 days, {count(len(old), 'time')}")
    (machine, *_) = life.machines
    changes = changes_of(life, machine)
    lived = life.ended - machine.enrolled
    due = max(len(wanted), int(lived // OLDEST_S))
    if not changes and not due:
        return check.not_tested("IBM wanted no other password in this life")
    check.want(changes >= due, f"{count(changes, 'change')}, and {due} were due")
    age = life.ended - machine.since
    check.want(age < OLDEST_S, f"the password is {age / DAY_S:.0f} days old at the end")
    wrong = [e for e in _unexplained(life, life.service) if e.status == UNAUTHENTICATED]
    check.want(not wrong, f"a password that held no more, {count(len(wrong), 'time')}")
    return check.finding(f"{count(changes, 'change')}, and no request was refused for a password")


def changes_of(life: Chronicle, machine: Enrolled) -> int:
    """How often a machine has begun to use another password that IBM offered: enrolling again is none."""
    resets = [e.time for e in life.having("reset") if e.subject == machine.identity]
    enrolled = [each.time for each in life.of("enrolment") if each.served]
    ended = sum(
        any(reset <= time < after for time in enrolled) for reset, after in pairwise([*resets, inf])
    )
    return machine.number - 1 - 2 * ended


def _wanted(life: Chronicle) -> list[Happening]:
    """When IBM wanted another password, and the agent could hear of it before the next wish or a reset."""
    marks = sorted([*life.having("password"), *life.having("reset")], key=lambda mark: mark.time)
    ends: list[Happening | None] = [*(mark for mark in marks if mark.subject), None]
    told = [each.time for each in life.service if each.served and each.identity]
    return [
        mark
        for mark, after in pairwise(ends)
        if mark is not None
        and mark.deed == "password"
        and not _is_reset(life, mark.time)
        and (after is None or any(mark.time <= time < after.time for time in told))
    ]


def _is_reset(life: Chronicle, moment: float) -> bool:
    """Whether the machine had no password at a time, as it had not enrolled since a reset."""
    resets = [each.time for each in life.having("reset") if each.subject and each.time <= moment]
    enrolled = [each.time for each in life.of("enrolment") if each.served]
    return bool(resets) and not any(resets[-1] <= time <= moment for time in enrolled)


def check_e_10(life: Chronicle) -> Finding:
    """After a reset by IBM the machine enrols again, under the same ID."""
    check = Check(
        "E-10", "a reset is IBM's alone; after it the machine enrols again, with the same ID"
    )
    resets = [each for each in life.having("reset") if each.subject]
    if not resets:
        return check.not_tested("IBM reset nothing in this life")
    if not life.enrolled:
        return check.not_tested("the agent never enrolled")
    for reset in resets:
        after = [each for each in life.service if each.time > reset.time]
        again = [each for each in after if each.kind == "enrolment" and each.served]
        if not again:
            check.object("the machine never enrolled again after a reset")
            continue
        worked = [e for e in after if e.authenticates and e.served and e.time > again[0].time]
        check.want(worked, "nothing was authenticated after the enrolment that followed a reset")
    check.want(len(life.machines) == 1, f"{len(life.machines)} IDs are there after the reset")
    return check.finding(f"{count(len(resets), 'reset')}, each followed by an enrolment")


def check_r_11(life: Chronicle) -> Finding:
    """A changed password holds at every site."""
    check = Check("R-11", "ID and password hold at every site, also after a change")
    changed = [each for each in life.of("password") if each.served]
    if not changed:
        return check.not_tested("the password was not changed")
    after = [e for e in life.service if e.authenticates and e.time >= changed[0].time]
    refused = [e for e in _unexplained(life, after) if e.status == UNAUTHENTICATED]
    places = all_of(sorted({each.server for each in refused}))
    check.want(not refused, f"the password was refused at {places}")
    sites = sorted({each.server for each in after if each.served and each.identity})
    if len(sites) < 2:
        return check.not_tested("after the change only one site was called")
    return check.finding(f"after the change it held at {all_of(sites)}")


def _unexplained(life: Chronicle, asked: list[ReceiverRequest]) -> list[ReceiverRequest]:
    """Requests that were refused for ID or password; a machine learns of a reset by the first of these."""
    resets = [each.time for each in life.having("reset")]
    found = []
    for each in asked:
        if each.status == UNAUTHENTICATED or (
            each.status == FORBIDDEN and "password" in each.detail
        ):
            if any(reset < each.time < _enrolled_after(life, reset) for reset in resets):
                continue
            found.append(each)
    return found


def _enrolled_after(life: Chronicle, moment: float) -> float:
    times = (e.time for e in life.of("enrolment") if e.served and e.time > moment)
    return min(times, default=life.ended)


def _since(life: Chronicle, moment: float) -> str:
    return f"after {moment - life.began:.0f} s"
