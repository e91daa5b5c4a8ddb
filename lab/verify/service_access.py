"""Who got to IBM's service server, and by what to a console: log-in, authorization, records (S3, S4 2.2)."""

from __future__ import annotations

from lab.names import all_of, count
from lab.service.events import CalledIn
from lab.service.server.events import Audited, ToolTried
from lab.telephony.events import CallAnswered, TerminalSaid
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.remote_service import need_visit, no_session, of, session_times, untried

DIALS = "ATD"
CALLS = ("call", "connect")
"""The verbs by which a console is called."""
MUST_BE_REFUSED = (
    "unknown-user", "no-login", "no-token", "unknown-token", "other-user", "expired",
)  # fmt: skip
"""What must have been tried: each is a ``LogInFault`` or a ``Denial``."""
LOG_IN_FAILED = 255
"""ssh(1) EXIT STATUS."""
LATER_S = 1.0
"""sshd says of a log-in that failed when the client has gone."""


def records(case: Case) -> list[Audited]:
    return case.told(Audited)


def dialled(case: Case) -> list[TerminalSaid]:
    """What the workplace's terminals have dialled."""
    own = {line.name for line in case.topology.lines_of(of(case).workplace)}
    return [
        said
        for said in case.dialogue
        if isinstance(said, TerminalSaid) and said.line in own and DIALS in said.text
    ]


def _judge_dialling(case: Case, check: Check) -> int:
    """Before each number somebody has logged in, with an officer's authorization; how many were dialled."""
    seen = records(case)
    numbers = dialled(case)
    for number, said in enumerate(numbers, 1):
        who = f"number {number} that {of(case).workplace} dialled"
        # The record is written when the call has come to something.
        call = next((r for r in seen if r.verb in CALLS and r.time >= said.time), None)
        if call is None or call.outcome == "refused":
            check.object(f"{who}: nobody was permitted to call")
            continue
        judge_permitted(check, who, seen, call, said.time)
    return len(numbers)


def judge_permitted(check: Check, who: str, seen: list[Audited], call: Audited, at: float) -> None:
    """Object if the user of a call had not logged in for it at a time, or was not authorized."""
    done = [r for r in seen if r.time <= at and r.outcome == "done"]
    last = max((r.time for r in seen if r.verb in CALLS and r.time < at), default=0.0)
    logged_in = [
        r
        for r in done
        if r.verb == "log-in" and r.time > last and (r.user, r.address) == (call.user, call.address)
    ]
    check.want(logged_in, f"{who}: {call.user} had not logged in")
    given = [r for r in done if r.verb == "authorize" and r.authorization == call.authorization]
    check.want(given, f"{who}: no officer had authorized {call.user}")


def check_i_04(case: Case) -> Finding:
    """IBM's special server dials the console directly."""
    service = case.topology.service
    dialer = service.dialer if service is not None else "IBM's server"
    check = Check(
        "I-04",
        f"each call that the console's modem takes comes from {dialer}, where the representative has logged "
        "in, with an authorization, before it dials",
    )
    if why := no_session(case):
        return check.not_tested(why)
    taken = [call for call in case.service_calls if call.noted(CallAnswered)]
    for call in taken:
        if call.client != dialer:
            check.object(f"the modem took {call}")
    check.want(taken, "the console's modem took no call")
    if case.record.lig:
        check.object("AT&T's gateway heard of calls, which go past it")
    numbers = _judge_dialling(case, check)
    return check.finding(
        f"{count(len(taken), 'call')} of {dialer}, none by AT&T's gateway; {count(numbers, 'number')} "
        "dialled, each by a representative who had logged in, and was authorized"
    )


def check_i_21(case: Case) -> Finding:
    """Only special tools, with special authorization, and a record of every attempt."""
    check = Check(
        "I-21",
        "whoever has not logged in, or has no authorization that is valid, is refused and reaches no "
        "console; every attempt is recorded; each session has an authorization of its own",
    )
    if why := untried(case):
        return check.not_tested(why)
    if not of(case).by:
        return check.not_tested(f"no session is let in to {of(case).console}")
    seen, tries = records(case), case.told(ToolTried)
    refused: list[str] = []
    for tried in tries:
        record = _record_of(tried, seen)
        if record is None:
            check.object(f"no record of this: {tried.told}")
            continue
        if (record.outcome == "done") != (tried.status == 0):
            check.object(f"{tried.told}, and the record says {record.outcome}")
        if record.outcome == "refused":
            refused.append(record.reason)
            _judge_nothing_dialled(case, check, tried, record.reason)
    for reason in MUST_BE_REFUSED:
        check.want(reason in refused, f"nobody was refused for this: {reason}")
    begun = [r for r in seen if (r.verb, r.reason) == ("session", "begun")]
    ended = [r for r in seen if (r.verb, r.reason) == ("session", "ended")]
    came_up = session_times(case)
    words = (
        f"{count(len(came_up), 'session')}, and the records have {count(len(begun), 'beginning')} and "
        f"{count(len(ended), 'end')}"
    )
    recorded = begun or ended or not came_up
    need_visit(case, check, recorded, words)
    check.want(not recorded or len(begun) == len(ended) == len(came_up), words)
    own = {r.authorization for r in begun if r.authorization}
    check.want(len(own) == len(begun), "two sessions had one authorization, or one had none")
    reasons = all_of(list(dict.fromkeys(refused)))
    return check.finding(
        f"{count(len(tries), 'attempt')}, all recorded; {len(refused)} refused, for {reasons}, and none of "
        f"these reached a console; {count(len(begun), 'session')}"
    )


def _record_of(tried: ToolTried, seen: list[Audited]) -> Audited | None:
    """The server's record of an attempt."""
    failed = tried.status == LOG_IN_FAILED
    verb = "log-in" if failed else tried.words.partition(" ")[0]
    until = tried.time + (LATER_S if failed else 0.0)
    return next(
        (
            record
            for record in seen
            if (record.user, record.verb) == (tried.user, verb)
            and tried.started <= record.time <= until
        ),
        None,
    )


def _judge_nothing_dialled(case: Case, check: Check, tried: ToolTried, reason: str) -> None:
    times = [said.time for said in dialled(case)]
    times += [event.started for event in case.told(CalledIn)]
    if any(tried.started <= time <= tried.time for time in times):
        check.object(f"{tried.user} was refused ({reason}), and yet {of(case).console} was called")
