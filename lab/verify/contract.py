"""The contract of remote service: who may reach what in which state, and what was seen.

A clause for each scan and protocol, for each call, and for each port of a partition. Says whether what may be
and what was are the same; whether a scan proves anything is for the findings to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

from lab.relay.events import LedOut, PortAsked, PortsAsked, WaitedAtRelay
from lab.service.events import (
    CLOSED,
    OFF,
    OVER,
    SESSION,
    CalledIn,
    HostScanned,
    ServiceTried,
    SessionSought,
    spans,
)
from lab.service.marks import Purpose
from lab.topology.model import RemoteService
from lab.topology.service import Inbound
from lab.verify import remote_terminal, terminal_calls
from lab.verify.case import Case
from lab.verify.remote_service import EVERY_PORT, arrival, enabled, every_port, of
from lab.verify.telephone_calls import TelephoneCall
from lab.verify.terminal_calls import Line, LogInTry, TerminalDialogue

NONE = "none"
ANSWERED, UNANSWERED = "answered", "not answered"
LET_IN, DENIED = "let in", "denied"
UNPROVEN = "not proven: the scan did not arrive whole"
STATES = {
    OFF: "nobody is let in",
    SESSION: "a session is let in",
    OVER: "the session is over",
    CLOSED: "a session is let in, but not to the console",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One line of the contract."""

    state: str
    """One of ``STATES``."""
    source: str
    target: str
    what: str
    """``TCP``, ``UDP``, ``other IP protocols``, ``call``, ``session``, ``a code``, a port, or a log-in."""
    expected: str
    """Ports or protocols that answer, as ``22-23, 443``; or whether a modem does, or a log-in is let in."""
    seen: str

    @property
    def holds(self) -> bool:
        return self.expected == self.seen


def clauses(case: Case) -> tuple[Clause, ...]:
    """All of a run, in the order in which it was tried; none where nobody tried to get in."""
    if case.topology.service is None:
        return ()
    return tuple(clause for event in case.events for clause in _of(case, of(case), event))


def _of(case: Case, service: RemoteService, event: object) -> Iterator[Clause]:
    match event:
        case HostScanned():
            yield from _of_scan(case, service, event)
        case CalledIn():
            yield from _of_call(case, service, event)
        case SessionSought():
            yield from _of_search(case, service, event)
        case WaitedAtRelay() | PortsAsked() | PortAsked():
            yield from _of_relay(case, service, event)
        case ServiceTried():
            yield from _of_try(case, service, event)
        case _:
            return


def _of_call(case: Case, service: RemoteService, event: CalledIn) -> Iterator[Clause]:
    """A call, and what became of it at a terminal."""
    taken = [e for e in enabled(case) if e.time <= event.started]
    used = sum(_connected(e) for e in case.told(CalledIn) if e.time < event.started)
    yield Clause(
        state=_state(case, event.started),
        source=event.source,
        target=f"{service.console}, by telephone",
        what="call",
        expected=ANSWERED if len(taken) > used else UNANSWERED,
        seen=ANSWERED if _connected(event) else UNANSWERED,
    )
    yield from _of_dialogues(
        case, service, lambda line: line.call is not None and _is_of(event, line.call)
    )


def _of_dialogues(
    case: Case, service: RemoteService, chooses: Callable[[Line], bool]
) -> Iterator[Clause]:
    """What came of log-ins at a terminal, over lines of the caller's choice."""
    chosen = [each for each in terminal_calls.of(case) if chooses(each.line)]
    for dialogue in chosen:
        yield from (_of_log_in(case, tried) for tried in dialogue.tries if tried.typed)
    for dialogue in chosen:
        yield from _of_terminal(service, dialogue)


def _of_search(case: Case, service: RemoteService, event: SessionSought) -> Iterator[Clause]:
    """Whether IBM's server found a session by VPN, and what came of it at the console's terminal."""
    later = [e.time for e in case.told(SessionSought) if e.time > event.time]
    lets_in = any(begin <= event.time <= end for begin, end in case.borrowed)
    yield Clause(
        state=_state_by_vpn(case, event.time),
        source=event.source,
        target=f"{service.console}, at the VPN gateways",
        what="session",
        expected=ANSWERED if lets_in else UNANSWERED,
        seen=ANSWERED if event.gateway else UNANSWERED,
    )
    until = min(later, default=inf)
    yield from _of_dialogues(case, service, lambda line: event.time <= line.began < until)


def _of_try(case: Case, service: RemoteService, event: ServiceTried) -> Iterator[Clause]:
    """A port that was tried as a program would; of the console's, by PPP the scans say all."""
    if service.by is Inbound.internet:
        what = f"TCP {event.port}"
        yield _by_relay(service, event.source, what, _answered(event), expected=ANSWERED)
        return
    if event.host == service.console:
        return
    allowed = any(p.name == event.host and p.allowed for p in service.partitions)
    if event.source == service.console:
        allowed = service.stateful
    last = next((e for e in reversed(enabled(case)) if e.time <= event.time), None)
    yield Clause(
        state=CLOSED if last is not None and not last.console_allowed else SESSION,
        source=event.source,
        target=f"{event.host}, by {event.address}",
        what=f"TCP {event.port}",
        expected=ANSWERED if allowed else UNANSWERED,
        seen=_answered(event),
    )


def _is_of(event: CalledIn, call: TelephoneCall) -> bool:
    """Whether a call is the one that was told of."""
    return call.command is not None and event.started <= call.command.time <= event.time


def _of_terminal(service: RemoteService, dialogue: TerminalDialogue) -> Iterator[Clause]:
    """The partitions that were tried in a session at a terminal."""
    for partition in service.partitions:
        for command in dialogue.commands:
            if partition.address in command:
                answered = remote_terminal.GREETING in dialogue.output_of(command)
                yield Clause(
                    state=SESSION,
                    source=service.console,
                    target=f"{partition.name}, by {partition.address}",
                    what="TCP, from the terminal",
                    expected=UNANSWERED,
                    seen=ANSWERED if answered else UNANSWERED,
                )


def _of_log_in(case: Case, tried: LogInTry) -> Clause:
    right = remote_terminal.is_right(case, tried)
    if right:
        what = "log-in, all right"
    elif remote_terminal.is_replay(tried, terminal_calls.tries(case)):
        what = "log-in, earlier response"
    elif tried.challenge:
        what = "log-in, wrong response"
    else:
        what = "log-in, wrong user ID or password"
    return Clause(
        state=SESSION,
        source=tried.line.source,
        target=f"{of(case).console}, by terminal",
        what=what,
        expected=LET_IN if right else DENIED,
        seen=LET_IN if tried.let_in else DENIED,
    )


def _of_relay(
    case: Case, service: RemoteService, event: WaitedAtRelay | PortsAsked | PortAsked
) -> Iterator[Clause]:
    """What a representative tried by Internet."""
    match event:
        case WaitedAtRelay():
            lets_in = any(event.started <= each.time <= event.time for each in enabled(case))
            over = any(e.time <= event.started for e in case.told(LedOut))
            yield _by_relay(
                service,
                event.source,
                "a code",
                ANSWERED if event.joined else UNANSWERED,
                expected=ANSWERED if lets_in else UNANSWERED,
                state=SESSION if lets_in else OVER if over else OFF,
            )
        case PortsAsked():
            yield _by_relay(
                service,
                event.source,
                f"TCP, {event.asked} ports asked for",
                event.opened or NONE,
                expected=spans(service.ports),
            )
        case PortAsked():
            seen = ANSWERED if event.answer == "open" else UNANSWERED
            yield _by_relay(service, event.source, f"TCP {event.port}", seen, expected=UNANSWERED)


def _by_relay(
    service: RemoteService,
    source: str,
    what: str,
    seen: str,
    *,
    expected: str,
    state: str = SESSION,
) -> Clause:
    target = f"{service.console}, by {service.relay}"
    return Clause(
        state=state, source=source, target=target, what=what, expected=expected, seen=seen
    )


def _answered(event: ServiceTried) -> str:
    """Whether a port answered, and as the right host."""
    return ANSWERED if event.answer.endswith(f"of {event.host}") else UNANSWERED


def _of_scan(case: Case, service: RemoteService, scan: HostScanned) -> Iterator[Clause]:
    listed = spans(service.ports) if service.console_allowed else NONE
    own = scan.target == service.ppp_address and scan.by in ("", service.console)
    in_session = scan.state == SESSION and own
    open_ports = listed if in_session else NONE
    others = NONE
    open_udp = open_ports
    if scan.purpose == Purpose.control.name:
        open_ports, open_udp, others = EVERY_PORT, every_port(case), "1"
    whose = {service.ppp_address: service.console}
    for partition in service.partitions:
        whose |= {partition.alias: partition.name, partition.address: partition.name}
    target = f"{whose.get(scan.target, service.console)}, by {scan.target}"
    if scan.by and whose.get(scan.target) != scan.by:
        target += f", by the session of {scan.by}"
    for what, expected, seen in (
        ("TCP", open_ports, scan.tcp),
        ("UDP", open_udp, scan.udp),
        ("other IP protocols", others, spans(scan.protocols)),
    ):
        yield Clause(
            state=scan.state,
            source=scan.source,
            target=target,
            what=what,
            expected=expected,
            seen=(seen or NONE) if arrival(case, scan)[0] == scan.sent else UNPROVEN,
        )


def _connected(call: CalledIn) -> bool:
    return call.result.startswith("CONNECT")


def _state_by_vpn(case: Case, at: float) -> str:
    """Of remote service at a time, where sessions come by VPN."""
    for begin, end in case.borrowed:
        if begin <= at <= end:
            return SESSION
    return OVER if any(end < at for _, end in case.borrowed) else OFF


def _state(case: Case, at: float) -> str:
    """Of remote service at a time."""
    lets_in = [event for event in enabled(case) if event.time <= at]
    if not lets_in:
        return OFF
    connected = [e for e in case.told(CalledIn) if _connected(e) and e.time <= at]
    return SESSION if len(lets_in) > len(connected) else OVER
