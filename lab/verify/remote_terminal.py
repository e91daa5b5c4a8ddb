"""Remote service at a DS8000's terminal, judged by what was on the line (S3 Inbound; G-05)."""

from __future__ import annotations

import re
from itertools import pairwise, takewhile
from math import inf

from lab.names import all_of, count
from lab.service.challenge import response
from lab.service.events import (
    OVER,
    SESSION,
    HostScanned,
    LoggedOut,
)
from lab.service.shell import OWN_NETWORK
from lab.service.terminal import ASK_USER
from lab.telephony.events import CallAnswered
from lab.topology.model import Role
from lab.topology.service import MOST_TRIES, Inbound
from lab.topology.terminal import TerminalAccount
from lab.verify import terminal_calls
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.remote_service import (
    enabled,
    first_enabled,
    forbid_answers,
    judge_outsiders,
    no_session,
    of,
    untried,
)
from lab.verify.telephone_calls import TelephoneCall
from lab.verify.terminal_calls import LogInTry, TerminalDialogue

GREETING = "This is port"
"""What every port of every host says that can be reached."""
_INTERFACE = re.compile(r"^ *([\w.-]+):", re.MULTILINE)
_TEXT = re.compile(r"[\a\b\t\n\r\x1b -~]*")
"""What an ASCII terminal shows, or does."""


def no_terminal(case: Case) -> str:
    """Why nobody came in by terminal; empty if somebody did."""
    if why := no_session(case):
        return why
    return "" if of(case).by is Inbound.terminal else "no session comes in by terminal"


def no_call(case: Case) -> str:
    """Why nobody got as far as the terminal; empty if somebody did."""
    if why := untried(case):
        return why
    if of(case).by is not Inbound.terminal:
        return "no session is to come in by terminal"
    return "" if terminal_calls.of(case) else "the modem took no call"


def no_dialogue(case: Case) -> str:
    """Why nobody got as far as the terminal, by modem or by VPN; empty if somebody did."""
    if why := untried(case):
        return why
    if not terminal_calls.expected(of(case)):
        return "no session is to come in by terminal"
    return "" if terminal_calls.of(case) else "the console took no call"


def _account(case: Case) -> TerminalAccount:
    account = of(case).terminal_account
    assert account is not None, "this generation has terminals"
    return account


def is_right(case: Case, tried: LogInTry) -> bool:
    """Whether user ID, password and response are the representative's, the response that of the challenge."""
    return _knows_account(case, tried) and bool(tried.challenge) and (
        tried.response == response(_account(case).key, tried.challenge)
    )  # fmt: skip


def _knows_account(case: Case, tried: LogInTry) -> bool:
    account = _account(case)
    return (tried.user, tried.password) == (account.user, account.password.reveal())


def is_replay(tried: LogInTry, everything: list[LogInTry]) -> bool:
    """Whether the response has been accepted before, and the challenge was another."""
    return bool(tried.response) and any(
        earlier.let_in and earlier.time < tried.time and earlier.response == tried.response
        for earlier in everything
    )


def check_i_22(case: Case) -> Finding:
    """A session reaches the console, and nothing else."""
    check = Check(
        "I-22",
        "a session at the terminal is one with the console: it has no network, no packet comes to a "
        "partition, nothing answers outside, and nothing goes on after it",
    )
    if why := no_terminal(case):
        return check.not_tested(why)
    dialogues = judge_shells(case, check)
    addresses = {p.alias for p in of(case).partitions} | {of(case).ppp_address}
    if addresses - {""}:
        check.object(f"the session has addresses: {', '.join(sorted(addresses - {''}))}")
    _judge_outside(case, check)
    names = all_of([partition.name for partition in of(case).partitions]) or "no partition"
    return check.finding(
        f"{count(len(dialogues), 'session')} with {of(case).console}, without a network; {names} tried and "
        "not reached; nothing answered outside"
    )


def judge_shells(case: Case, check: Check) -> list[TerminalDialogue]:
    """What sessions show: the console, no network, no partition; and that nothing goes on after them."""
    dialogues = [d for d in terminal_calls.of(case) if any(tried.let_in for tried in d.tries)]
    first = next((each for each in dialogues if each.commands), None)
    if first is None:
        check.object("nothing was tried in a session")
        return dialogues
    check.want(of(case).console in first.session.split(), "the session does not say where it is")
    interfaces = {*_INTERFACE.findall(first.output_of(OWN_NETWORK))} - {"lo"}
    check.want(first.output_of(OWN_NETWORK), "the session was not asked for its network")
    for name in sorted(interfaces):
        check.object(f"the session has the network interface {name}")
    _judge_partitions(case, check, dialogues)
    for event in case.told(LoggedOut):
        if event.left:
            check.object(event.sentence)
    return dialogues


def _judge_partitions(case: Case, check: Check, dialogues: list[TerminalDialogue]) -> None:
    service = of(case)
    for partition in service.partitions:
        tried = [d for d in dialogues if any(partition.address in line for line in d.commands)]
        check.want(tried, f"{partition.name} was not tried")
        came = [
            frame
            for dialogue in dialogues
            for frame, _ in case.packets(partition.segment)
            if dialogue.line.began <= frame.time <= dialogue.line.ended
        ]
        check.forbid(came, f"on {partition.segment} during a session")
    for dialogue in dialogues:
        if GREETING in dialogue.session:
            check.object(f"a port answered in a session: {dialogue.line}")


def _judge_outside(case: Case, check: Check) -> None:
    scans = case.told(HostScanned)
    meanwhile = [scan for scan in scans if scan.state == SESSION]
    internet = {node.name for node in case.topology.with_role(Role.internet)}
    check.want(
        internet & {scan.source for scan in meanwhile},
        "nobody tried to get in from outside during a session",
    )
    for scan in meanwhile:
        check.want(scan.silent, scan.sentence)
    judge_outsiders(case, check, [scan for scan in scans if scan.state == OVER])
    forbid_answers(case, check, first_enabled(case), inf)


def check_i_23(case: Case) -> Finding:
    """User ID, password, and the response to a fresh challenge; three wrong tries lock out."""
    check = Check(
        "I-23",
        "somebody is let in at the terminal by user ID, password and the response to a fresh challenge, and "
        "by nothing else; a response is good once; the third wrong try hangs up and ends the enabling",
    )
    if why := no_dialogue(case):
        return check.not_tested(why)
    everything = terminal_calls.tries(case)
    for tried in everything:
        right = is_right(case, tried)
        if tried.let_in and not right:
            check.object(f"{tried.line} was let in by {_flaw(case, tried)}", frames_of(tried.shown))
        if tried.denied and right:
            check.object(f"{tried.line} was denied though all was right", frames_of(tried.shown))
        check.show(piece.frame for piece in tried.shown)
    challenges = [tried.challenge for tried in everything if tried.challenge]
    if len({*challenges}) < len(challenges):
        check.object("a challenge was given twice")
    denied = [tried for tried in everything if tried.denied]
    bare = [t for t in denied if _knows_account(case, t) and t.challenge]
    check.want(bare, "no wrong response was tried with the right user ID and password")
    replays = [tried for tried in everything if is_replay(tried, everything)]
    let_in = [tried for tried in everything if tried.let_in]
    if len(let_in) > 1:
        check.want(replays, "no response was tried again")
    _judge_secrecy(case, check)
    _judge_lock_out(case, check)
    for dialogue in terminal_calls.of(case):
        if not dialogue.line.whole:
            return check.not_tested(f"{dialogue.line} could not be read whole")
    return check.finding(
        f"{count(len(everything), 'try', 'tries')}: {len(let_in)} let in, each by the response to its own "
        f"challenge; {len(denied)} denied, {len(replays)} of them with an earlier response"
    )


def _flaw(case: Case, tried: LogInTry) -> str:
    if not _knows_account(case, tried):
        return "a wrong user ID or password"
    return "a wrong response" if tried.challenge else "no challenge"


def _judge_secrecy(case: Case, check: Check) -> None:
    """What is typed as a password is not shown."""
    for dialogue in terminal_calls.of(case):
        before = dialogue.screen.removesuffix(dialogue.session)
        for tried in dialogue.tries:
            if tried.password and tried.password in before:
                check.object(f"a password is shown to {dialogue.line}")


def _judge_lock_out(case: Case, check: Check) -> None:
    """Of each enabling, by the times at which its calls were connected."""
    times = [event.time for event in enabled(case)]
    for begin, end in pairwise([*times, inf]):
        calls = [d for d in terminal_calls.of(case) if begin <= d.line.began < end]
        wrong = [t for d in calls for t in d.tries if t.typed and not t.let_in]
        if len(wrong) > MOST_TRIES:
            check.object(f"{count(len(wrong), 'wrong try', 'wrong tries')} by one enabling")
        if len(wrong) < MOST_TRIES:
            continue
        last = wrong[-1]
        after = [t for d in calls for t in d.tries if t.time > last.time and (t.typed or t.let_in)]
        check.want(not after, "somebody was asked after three wrong tries")
        taken = [
            call
            for call in case.service_calls
            if (answered := call.noted(CallAnswered)) and last.time < answered.time < end
        ]
        check.want(not taken, "the modem took a call after three wrong tries")
        late = [d for d in calls if d.line.call is None and d.screen and d.line.began > last.time]
        check.want(not late, "the terminal spoke to a connection after three wrong tries")


def check_i_24(case: Case) -> Finding:
    """After CONNECT there is a terminal on the line, and not PPP."""
    check = Check(
        "I-24",
        "after CONNECT the console says text with a prompt for a user ID; nothing of PPP is on the line",
    )
    if why := no_call(case):
        return check.not_tested(why)
    dialogues = terminal_calls.of(case)
    for dialogue in dialogues:
        call = dialogue.line.call
        assert call is not None, "no_call has looked"
        first = next(iter(call.frames), None)
        if first is not None and first.outgoing:
            check.object(f"{call}: the console did not speak first", [first.frame])
        check.want(ASK_USER in _greeting(call), f"{call} was not asked for a user ID")
        if not _TEXT.fullmatch(dialogue.screen):
            strange = [i for i in call.frames if not i.outgoing and not _is_text(i.frame.data)]
            check.object(f"{call}: the console sent what is no text", frames_of(strange))
        if framed := terminal_calls.frames_of_ppp(call):
            check.object(f"{call} carried PPP", frames_of(framed))
        check.show([first.frame] if first is not None else [])
    return check.finding(
        f"{count(len(dialogues), 'call')}, {sum(len(d.screen) for d in dialogues)} characters of the "
        "console, all text; no frame of PPP"
    )


def _greeting(call: TelephoneCall) -> str:
    """What the console sent before anything else was on the line."""
    own = takewhile(lambda item: not item.outgoing, call.frames)
    return b"".join(item.frame.data for item in own).decode("latin-1")


def _is_text(data: bytes) -> bool:
    return _TEXT.fullmatch(data.decode("latin-1")) is not None
