"""Calls of remote service at a DS8000's terminal, as their bytes on the line show them.

Every try to log in, and the session after it. Knows the console's words, and nothing of what the console's or
the representative's programs tell. Judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.service.challenge import DIGITS
from lab.service.shell import PROMPT
from lab.service.terminal import ASK_PASSWORD, ASK_RESPONSE, ASK_USER, CHALLENGE, DENIED, TOO_MANY
from lab.topology.service import Inbound
from lab.verify.case import Case
from lab.verify.telephone_calls import TelephoneCall
from lab.wire.calls import Carried
from lab.wire.dialled import FrameFault

_END_OF_LINE = re.compile(r"\r\n|\r|\n")
_FRAME = re.compile(rb"(?:\xff|\x7d\xdf)(?:\x03|\x7d\x23)")
"""Address and control of a PPP frame, escaped or not (RFC 1662 3.1, 4.2)."""


@dataclass(slots=True, kw_only=True, eq=False)
class LogInTry:
    """From a prompt for a user ID to what the console said; what was not typed is empty."""

    call: TelephoneCall
    user: str = ""
    password: str = ""
    challenge: str = ""
    response: str = ""
    denied: bool = False
    let_in: bool = False
    time: float = 0.0
    """When the last of it was on the line."""
    shown: list[Carried] = field(default_factory=list)
    """Where the console said what became of it."""

    @property
    def typed(self) -> bool:
        return bool(self.user or self.password or self.response)


@dataclass(slots=True, kw_only=True, eq=False)
class TerminalDialogue:
    """One call that was connected."""

    call: TelephoneCall
    tries: list[LogInTry]
    locked_out: bool
    """The console said that there were too many tries."""
    screen: str
    """All that the console sent."""
    session: str
    """Of that, what came after the log-in."""
    commands: list[str]
    """Lines that were typed after the log-in."""

    def output_of(self, command: str) -> str:
        """What came between a command that was typed and the next prompt; empty if it was not."""
        _, typed, rest = self.session.partition(command)
        return rest.partition("> ")[0] if typed else ""


def of(case: Case) -> list[TerminalDialogue]:
    """Every call that the console's modem took, in order; none where the way in is another."""
    service = case.topology.service
    if service is None or service.by is not Inbound.terminal:
        return []
    return [_read(case, call) for call in case.service_calls if call.connected]


def tries(case: Case) -> list[LogInTry]:
    """Every try in which something was typed."""
    return [each for dialogue in of(case) for each in dialogue.tries if each.typed]


def frames_of_ppp(call: TelephoneCall) -> list[Carried]:
    """What a call carried of PPP: frames that are whole, and such as begin like one."""
    return [
        item
        for item in call.frames
        if item.fault is None
        or (item.fault is not FrameFault.outside and _FRAME.match(item.frame.data))
    ]


def _text(call: TelephoneCall, *, outgoing: bool) -> tuple[str, list[tuple[int, Carried]]]:
    """What was sent in one direction; and where in it each piece begins."""
    text, places = "", []
    for item in call.frames:
        if item.outgoing == outgoing:
            places.append((len(text), item))
            text += item.frame.data.decode("latin-1")
    return text, places


def _read(case: Case, call: TelephoneCall) -> TerminalDialogue:
    service = case.topology.service
    assert service is not None, "its console was called"
    screen, places = _text(call, outgoing=False)
    typed = _END_OF_LINE.split(_text(call, outgoing=True)[0])
    prompt = PROMPT.format(host=service.console)
    answers = iter(typed)
    found: list[LogInTry] = []
    end = len(screen)
    locked_out = False
    for token in _tokens(prompt, screen):
        if token[0] == prompt:
            end = token.end()
        locked_out = locked_out or token[0] == TOO_MANY
        if token[0] == ASK_USER:
            found.append(LogInTry(call=call))
        elif not found:
            continue
        _note(found[-1], token, answers, prompt)
        item = _item_at(places, token.start())
        found[-1].time = item.frame.time
        if token[0] in (DENIED, prompt):
            found[-1].shown.append(item)
    return TerminalDialogue(
        call=call,
        tries=found,
        locked_out=locked_out,
        screen=screen,
        session=screen[end:],
        commands=[line for line in answers if line] if end < len(screen) else [],
    )


def _tokens(prompt: str, screen: str) -> Iterator[re.Match[str]]:
    """The console's own words, until somebody is let in."""
    words = (ASK_USER, ASK_PASSWORD, ASK_RESPONSE, DENIED, TOO_MANY, prompt)
    spelled = "|".join(map(re.escape, words))
    for token in re.finditer(f"{spelled}|{re.escape(CHALLENGE)}([0-9a-f]{{{DIGITS}}})", screen):
        yield token
        if token[0] == prompt:
            return


def _note(each: LogInTry, token: re.Match[str], answers: Iterator[str], prompt: str) -> None:
    if token[0] == ASK_USER:
        each.user = next(answers, "")
    elif token[0] == ASK_PASSWORD:
        each.password = next(answers, "")
    elif token[0] == ASK_RESPONSE:
        each.response = next(answers, "")
    elif token[0] == DENIED:
        each.denied = True
    elif token[0] == prompt:
        each.let_in = True
    elif token[1]:
        each.challenge = token[1]


def _item_at(places: list[tuple[int, Carried]], place: int) -> Carried:
    return [item for begin, item in places if begin <= place][-1]
