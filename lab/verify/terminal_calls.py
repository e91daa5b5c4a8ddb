"""Calls of remote service at a DS8000's terminal, as their bytes on the line show them.

The line is a telephone's, or a TCP connection inside of a VPN. Every try to log in, and the session after it.
Knows the console's words, and nothing of what the console's or the representative's programs tell. Judges
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from lab.service.challenge import DIGITS
from lab.service.shell import PROMPT
from lab.service.terminal import ASK_PASSWORD, ASK_RESPONSE, ASK_USER, CHALLENGE, DENIED, TOO_MANY
from lab.telephony.events import HungUp
from lab.topology.model import RemoteService
from lab.topology.service import Inbound
from lab.topology.terminal import TERMINAL_PORT
from lab.verify import service_sessions
from lab.verify.case import Case
from lab.verify.service_sessions import Passed
from lab.verify.telephone_calls import TelephoneCall
from lab.wire.calls import Carried
from lab.wire.decode import TCP, Frame, Packet
from lab.wire.dialled import FrameFault

_SEQUENCES = 1 << 32
_END_OF_LINE = re.compile(r"\r\n|\r|\n")
_FRAME = re.compile(rb"(?:\xff|\x7d\xdf)(?:\x03|\x7d\x23)")
"""Address and control of a PPP frame, escaped or not (RFC 1662 3.1, 4.2)."""


@dataclass(frozen=True, slots=True)
class LinePiece:
    """Some bytes on a line."""

    frame: Frame
    """On a telephone line the bytes, in a VPN the ESP packet on the access line."""
    typed: bool
    """By the representative."""
    text: str
    """ISO 8859-1, so that a character is a byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a dialogue went over."""

    name: str
    """For messages."""
    source: str
    """The node that called."""
    began: float
    ended: float
    """inf if nobody hung up."""
    pieces: list[LinePiece]
    whole: bool = True
    """Whether all that was sent could be read."""
    call: TelephoneCall | None = None
    """None for a TCP connection."""

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True, kw_only=True, eq=False)
class LogInTry:
    """From a prompt for a user ID to what the console said; what was not typed is empty."""

    line: Line
    user: str = ""
    password: str = ""
    challenge: str = ""
    response: str = ""
    denied: bool = False
    let_in: bool = False
    time: float = 0.0
    """When the last of it was on the line."""
    shown: list[LinePiece] = field(default_factory=list)
    """Where the console said what became of it."""

    @property
    def typed(self) -> bool:
        return bool(self.user or self.password or self.response)


@dataclass(slots=True, kw_only=True, eq=False)
class TerminalDialogue:
    """One call that was connected."""

    line: Line
    tries: list[LogInTry]
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


def expected(service: RemoteService) -> bool:
    """Whether who comes in has to log in at a terminal."""
    by_terminal = service.by in (Inbound.terminal, Inbound.vpn) and service.console_allowed
    return by_terminal and service.terminal_account is not None


def of(case: Case) -> list[TerminalDialogue]:
    """Every call that the console took, in order; none where it has no terminal for the way in."""
    service = case.topology.service
    if service is None or not expected(service):
        return []
    prompt = PROMPT.format(host=service.console)
    return [_read(prompt, line) for line in _lines(case, service)]


def _lines(case: Case, service: RemoteService) -> list[Line]:
    if service.by is Inbound.terminal:
        return [_of_telephone(call) for call in case.service_calls if call.connected]
    if service.by is Inbound.vpn:
        sessions = service_sessions.sessions(case)
        return [line for session in sessions for line in _of_session(service, session.passed)]
    return []


def _of_telephone(call: TelephoneCall) -> Line:
    hung_up = call.noted(HungUp)
    return Line(
        name=str(call),
        source=call.client,
        began=call.connection.time if call.connection else inf,
        ended=hung_up.time if hung_up else inf,
        pieces=[
            LinePiece(item.frame, item.outgoing, item.frame.data.decode("latin-1"))
            for item in call.frames
        ],
        call=call,
    )


def _of_session(service: RemoteService, passed: list[Passed]) -> Iterator[Line]:
    """The connections to the terminal's port that the console took."""
    # A port may be used again; another SYN with the same number is the same connection's.
    found: dict[tuple[int, int], list[Passed]] = {}
    latest: dict[int, tuple[int, int]] = {}
    for item in passed:
        packet = item.data
        near, far = packet.source_port, packet.destination_port
        if item.of_console:
            near, far = far, near
        if packet.protocol != TCP or far != TERMINAL_PORT:
            continue
        if not item.of_console and packet.is_bare_syn:
            latest[near] = (near, packet.tcp_sequence)
            found.setdefault(latest[near], [])
        if near in latest:
            found[latest[near]].append(item)
    for (port, _), items in found.items():
        if any(item.data.is_syn_ack for item in items):
            pieces, whole = _in_order(items)
            yield Line(
                name=f"the connection from port {port} of {service.workplace}",
                source=service.workplace,
                began=items[0].frame.time,
                ended=items[-1].frame.time if any(i.data.ends_connection for i in items) else inf,
                pieces=pieces,
                whole=whole,
            )


def _in_order(items: list[Passed]) -> tuple[list[LinePiece], bool]:
    """What a connection carried, each byte once, and whether no byte was missing."""
    sides: dict[bool, _OneWay] = {}
    pieces = []
    for item in items:
        if item.data.is_bare_syn or item.data.is_syn_ack:
            sides.setdefault(item.of_console, _OneWay(item.data.tcp_sequence))
        elif item.of_console in sides:
            text = sides[item.of_console].take(item.data).decode("latin-1")
            pieces += [LinePiece(item.frame, not item.of_console, text)] if text else []
    return pieces, all(side.whole for side in sides.values())


class _OneWay:
    """One direction of a TCP connection, put together (RFC 9293 3.4)."""

    def __init__(self, initial: int) -> None:
        """``initial``: the sequence number of the SYN."""
        self._next = initial + 1
        self._early: list[Packet] = []

    @property
    def whole(self) -> bool:
        """Whether nothing came that is still behind a gap."""
        return not self._early

    def take(self, packet: Packet) -> bytes:
        """The bytes that can be read now: none of a segment that came again, or came too early."""
        if packet.payload:
            self._early.append(packet)
            self._early.sort(key=self._gap)
        found = b""
        while self._early and self._gap(self._early[0]) <= 0:
            first = self._early.pop(0)
            fresh = first.payload[-self._gap(first) :]
            self._next += len(fresh)
            found += fresh
        return found

    def _gap(self, packet: Packet) -> int:
        """How many bytes are between the next one and a segment; negative: the segment begins before it."""
        distance = (packet.tcp_sequence - self._next) % _SEQUENCES
        return distance - _SEQUENCES if distance >= _SEQUENCES // 2 else distance


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


def _text(line: Line, *, typed: bool) -> tuple[str, list[tuple[int, LinePiece]]]:
    """What was sent in one direction; and where in it each piece begins."""
    text, places = "", []
    for piece in line.pieces:
        if piece.typed == typed:
            places.append((len(text), piece))
            text += piece.text
    return text, places


def _read(prompt: str, line: Line) -> TerminalDialogue:
    screen, places = _text(line, typed=False)
    typed = _END_OF_LINE.split(_text(line, typed=True)[0])
    answers = iter(typed)
    found: list[LogInTry] = []
    end = len(screen)
    for token in _tokens(prompt, screen):
        if token[0] == prompt:
            end = token.end()
        if token[0] == ASK_USER:
            found.append(LogInTry(line=line))
        elif not found:
            continue
        _note(found[-1], token, answers, prompt)
        piece = [piece for begin, piece in places if begin <= token.start()][-1]
        found[-1].time = piece.frame.time
        if token[0] in (DENIED, prompt):
            found[-1].shown.append(piece)
    return TerminalDialogue(
        line=line,
        tries=found,
        screen=screen,
        session=screen[end:],
        commands=[command for command in answers if command] if end < len(screen) else [],
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
