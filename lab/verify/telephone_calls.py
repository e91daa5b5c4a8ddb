"""Telephone calls: each as it was placed, answered, carried and ended. For findings and diagnosis alike.

Put together from the events of exchange and modems, what the exchange carried (``pstn.pcapng``), and the
record of the client's dialler and of AT&T's gateway. The exchange has the say on what was placed and how
it ended, the frames on what PPP came to. Judges nothing.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from pathlib import Path
from typing import TypeVar

from lab.i5.events import PartitionDialled
from lab.record.dial_event import Dialled
from lab.record.event import Event
from lab.record.record import LigCall, PppSession, Record
from lab.telephony.events import (
    CallConnected,
    CallRefused,
    CallRings,
    ExchangeEvent,
    ModemSaid,
    TerminalSaid,
)
from lab.topology.telephone import Outcome, Telephone
from lab.wire import calls, ppp
from lab.wire.calls import Carried
from lab.wire.dialled import FRAMES
from lab.wire.ppp import Code, PppFrame

CONNECT, NO_ANSWER, ERROR = "CONNECT", "NO ANSWER", "ERROR"
"""Result codes (V.250 5.7.1)."""
NO_DIALTONE = ("NO DIALTONE", "NO DIAL TONE")
"""As V.250 has it, and as some makers write it."""
NEVER_PLACED = (*NO_DIALTONE, ERROR)
"""After these the exchange has heard of no call."""
_DIAL_COMMAND = re.compile(r"[Aa][Tt](?:[^Dd&+<]|&.|\+[^;<]*+)*[Dd](?P<string>[^<]*)<CR>")
_MODIFIERS = re.compile(r"[^0-9*#]")
"""Of a dial string (V.250 6.3.1): all that is no digit here."""
_ENDS_OF_LINE = re.compile(r"<CR>|<LF>")
_NO_ANSWER_YET = ("", "RING", "RINGING")

E = TypeVar("E", bound=ExchangeEvent)
Utterance = TerminalSaid | ModemSaid
"""A line of the dialogue with a modem."""


def dials(said: Event) -> bool:
    """Whether a terminal tells its modem to dial."""
    return isinstance(said, TerminalSaid) and _DIAL_COMMAND.fullmatch(said.text) is not None


def dialled(said: Event) -> str:
    """The number, where a terminal dials one by its digits; else nothing."""
    found = _DIAL_COMMAND.fullmatch(said.text) if isinstance(said, TerminalSaid) else None
    stored = found is None or found["string"][:1] in ("S", "s", "L", "l")
    return "" if found is None or stored else _MODIFIERS.sub("", found["string"])


def answer(said: Event) -> str:
    """What a modem says, without the ends of line; empty if it says nothing."""
    return _ENDS_OF_LINE.sub("", said.text) if isinstance(said, ModemSaid) else ""


@dataclass(kw_only=True, eq=False)
class TelephoneCall:
    """A call, or an attempt at one that the exchange never heard of.

    What its frames say is found once, when they are all there.
    """

    number: int = 0
    """The exchange's; 0 if it never came to a call."""
    client: str
    """Who called: the node of the line, or the HMC for which a partition did (OUT-30); empty where no line of
    the model has the name."""
    caller: str
    """The line that called; empty where a partition was asked for a call and none of its modems dialled."""
    dialled: str = ""
    """The number, as the exchange understood it."""
    fate: Outcome | None = None
    """What the caller heard of the exchange, if it did not hear it ring."""
    called: str = ""
    """The line that rang; empty if none of the lab's did."""
    notes: list[ExchangeEvent] = field(default_factory=list)
    """What came after that."""
    command: TerminalSaid | None = None
    """By which the terminal dialled; None if it said ``A/``, or nothing."""
    answer: str = ""
    """What the caller's modem said in the end: ``CONNECT 33600``."""
    frames: list[Carried] = field(default_factory=list)
    """All that it carried."""
    attempt: Dialled | None = None
    """None if it was not the lab's own dialler that called."""
    lent: PartitionDialled | None = None
    """What a partition's modem did for the client; None if the client has a modem, or nobody dialled."""
    session: PppSession | None = None
    """Of the client's pppd; None unless the modems were connected."""
    at_gateway: LigCall | None = None
    """What AT&T's gateway says of it; None if it did not hear it ring."""

    def __str__(self) -> str:
        return f"call {self.number} of {self.client}"

    @property
    def result(self) -> str:
        """The modem's final result code, as the lab's dialler read it, or else the dialogue has it."""
        return self.dialling.result if self.dialling else self.answer

    @property
    def dialling(self) -> Dialled | PartitionDialled | None:
        """What whoever has the modem says of the attempt."""
        return self.lent or self.attempt

    @property
    def failure(self) -> str:
        """What kept it from becoming a way home, in words: as the client's pppd says, or its dialler."""
        return next((told.why for told in (self.session, self.attempt) if told and told.why), "")

    def noted(self, kind: type[E]) -> E | None:
        """The exchange's first event of a kind."""
        return next((note for note in self.notes if isinstance(note, kind)), None)

    @property
    def connection(self) -> CallConnected | None:
        """When training had ended well."""
        return self.noted(CallConnected)

    @property
    def connected(self) -> bool:
        """Whether the modems were: by the exchange, and where it says nothing by the dialler."""
        return self.connection is not None or self.result.startswith(CONNECT)

    @property
    def rate_bit_s(self) -> int:
        """Of the connection; 0 if there was none."""
        if self.connection:
            return self.connection.rate_bit_s
        return self.dialling.rate_bit_s if self.dialling else 0

    # PPP on it.

    def in_ppp(
        self, protocol: int, *codes: int, outgoing: bool | None = None
    ) -> list[tuple[Carried, PppFrame]]:
        """Frames of a protocol; of these codes if any are given, and in one direction if one is."""
        return ppp.among(self.frames, protocol, *codes, outgoing=outgoing)

    @cached_property
    def opened(self) -> float:
        """When IPCP had an acknowledgement in both directions (RFC 1661 4.2); inf if it never had."""
        acks: dict[bool, float] = {}
        for item, _ in self.in_ppp(ppp.IPCP, Code.configure_ack):
            acks.setdefault(item.outgoing, item.frame.time)
        return max(acks.values()) if len(acks) == 2 else inf

    @property
    def came_up(self) -> bool:
        """Whether IPCP opened: by the frames, and where there are none by the client's pppd."""
        return self.opened < inf or (self.session is not None and self.session.opened > 0)

    @property
    def terminated(self) -> bool:
        """Whether PPP came to its own end; else the line was cut."""
        return bool(self.in_ppp(ppp.LCP, Code.terminate_request))

    @cached_property
    def ending(self) -> float:
        """When it began to end; inf if it carried nothing."""
        farewells = [item for item, _ in self.in_ppp(ppp.LCP, Code.terminate_request)]
        last = farewells[:1] or self.frames[-1:]
        return last[0].frame.time if last else inf

    @cached_property
    def address(self) -> str:
        """What IPCP gave the caller: its request that was acknowledged; empty if none was."""
        given = [
            frame.ip_address
            for _, frame in self.in_ppp(ppp.IPCP, Code.configure_ack, outgoing=False)
        ]
        return given[0] if given else ""

    @cached_property
    def user(self) -> str:
        """Who PAP found the caller to be; empty if nobody."""
        names = {f.identifier: f.pap_user for _, f in self.in_ppp(ppp.PAP, ppp.PapCode.request)}
        acks = [f.identifier for _, f in self.in_ppp(ppp.PAP, ppp.PapCode.ack)]
        return next((names[number] for number in acks if number in names), "")


# What the exchange left.


def read_carried(run_dir: Path) -> list[Carried]:
    """What the calls carried; nothing where there is no telephone."""
    path = run_dir / "wire" / FRAMES
    return calls.read(path) if path.exists() else []


# Putting together.


def put_together(
    telephone: Telephone, record: Record, events: Iterable[Event], carried: Iterable[Carried]
) -> list[TelephoneCall]:
    """Every call: those of the lab's diallers in the order of the record, then all others."""
    events = list(events)
    found = _placed(telephone, events)
    for item in carried:
        if item.call not in found:
            found[item.call] = _unplaced(telephone, item)
        found[item.call].frames.append(item)

    lent = [event for event in events if isinstance(event, PartitionDialled)]
    _find_lent(telephone, lent, found.values())
    attempted = list(_attempted(telephone, record, lent, found.values()))
    together = [*attempted, *(call for call in found.values() if call.attempt is None)]
    for call in together:
        call.at_gateway = _at_gateway(record.lig, call)
    return together


def _placed(telephone: Telephone, events: Iterable[Event]) -> dict[int, TelephoneCall]:
    """The calls of which the exchange knows the number, by its own number for each."""
    nodes = {line.name: line.node for line in telephone.lines}
    commands: dict[str, TerminalSaid] = {}
    found: dict[int, TelephoneCall] = {}
    waiting: dict[str, TelephoneCall] = {}
    for event in events:
        match event:
            case TerminalSaid(line=line) if dials(event):
                commands[line] = event
            case ModemSaid(line=line) if line in waiting and answer(event) not in _NO_ANSWER_YET:
                waiting.pop(line).answer = answer(event)
            case CallRefused(call=number, line=line) | CallRings(call=number, line=line):
                found[number] = waiting[line] = TelephoneCall(
                    number=number,
                    client=nodes.get(line, ""),
                    caller=line,
                    dialled=event.number,
                    fate=event.outcome if isinstance(event, CallRefused) else None,
                    called=event.called if isinstance(event, CallRings) else "",
                    command=commands.pop(line, None),
                )
            case ExchangeEvent(call=number) if number in found:
                found[number].notes.append(event)
    return found


def _unplaced(telephone: Telephone, item: Carried) -> TelephoneCall:
    """A call that carried something, and of which there is no note."""
    ends = {
        f"{a.name}-{b.name}": (a, b)
        for a in telephone.lines
        for b in telephone.lines
        if a.name != b.name
    }
    caller, called = ends.get(item.ends, (None, None))
    return TelephoneCall(
        number=item.call,
        client=caller.node if caller else "",
        caller=caller.name if caller else item.ends,
        called=called.name if called else "",
    )


def _find_lent(
    telephone: Telephone, lent: Iterable[PartitionDialled], placed: Iterable[TelephoneCall]
) -> None:
    """Say of each call by a partition's modem for which HMC it was: the partition dialled it at that time."""
    lines = {(line.node, line.device): line.name for line in telephone.lines}
    commanded = [call for call in placed if call.command is not None]
    for event in lent:
        line = lines.get((event.source, event.device), "")
        for call in commanded:
            assert call.command is not None
            if call.caller == line and event.started <= call.command.time <= event.time:
                call.client, call.lent = event.client, event


def _attempted(
    telephone: Telephone,
    record: Record,
    lent: Iterable[PartitionDialled],
    placed: Iterable[TelephoneCall],
) -> Iterator[TelephoneCall]:
    """What came of each attempt of the lab's diallers: a line's attempts and calls are in one order."""
    lines = {(line.node, line.device): line.name for line in telephone.lines}
    queues: dict[str, deque[TelephoneCall]] = {name: deque() for name in lines.values()}
    by_lender: dict[int, TelephoneCall] = {}
    for call in placed:
        if call.lent is not None:
            by_lender[id(call.lent)] = call
        else:
            queues.setdefault(call.caller, deque()).append(call)
    # Other PPP sessions of the client's are a VPN's.
    answering = {line.node for line in telephone.lines}
    sessions = {
        client: iter([s for s in record.ppp if s.client == client and s.gateway in answering])
        for client in {attempt.source for attempt in record.dialled}
    }
    for attempt in record.dialled:
        event = None if attempt.device else _dialled_for(attempt, lent)
        dialling = event or attempt
        line = lines.get((dialling.source, dialling.device), "")
        found = by_lender.get(id(event)) if event else _call_of(attempt, queues.get(line, deque()))
        call = found or TelephoneCall(
            client=attempt.source, caller=line, dialled=attempt.number, lent=event
        )
        call.attempt = attempt
        if attempt.result.startswith(CONNECT):
            call.session = next(sessions[attempt.source], None)
        yield call


def _dialled_for(attempt: Dialled, lent: Iterable[PartitionDialled]) -> PartitionDialled | None:
    """What a partition's modem did for an attempt; None if it did nothing."""
    fitting = (
        event
        for event in lent
        if (event.client, event.number) == (attempt.source, attempt.number)
        and attempt.started <= event.started
        and event.time <= attempt.time
    )
    return next(fitting, None)


def _call_of(attempt: Dialled, queue: deque[TelephoneCall]) -> TelephoneCall | None:
    if not queue or attempt.result in NEVER_PLACED:
        return None
    # Without a result it came to a call only if this is one: the modem may have gone before.
    if not attempt.result and queue[0].dialled != attempt.number:
        return None
    return queue.popleft()


def _at_gateway(heard: Iterable[LigCall], call: TelephoneCall) -> LigCall | None:
    """What the gateway heard on this line at this time."""
    if call.attempt is None and not call.frames:
        return None
    began, ended = 0.0, inf
    if call.attempt is not None:
        began, ended = call.attempt.started, call.attempt.time
    if call.frames:
        ended = min(ended, call.frames[0].frame.time)
    fitting = [
        facts
        for facts in heard
        if facts.line == call.called
        and began <= facts.rang <= ended
        and (call.attempt is not None or ended <= (facts.closed or inf))
        and (facts.number or not call.frames)
    ]
    return max(fitting, key=lambda facts: facts.rang, default=None)
