"""Findings on events that wait for approval: M-10 to M-14 (S3 "Events Manager for Call Home")."""

from __future__ import annotations

from collections.abc import Sequence

from lab.events_manager.events import (
    ConsoleRegistered,
    DecisionHeard,
    EventDecided,
    EventHeld,
    EventsListed,
    WaitingAsked,
)
from lab.names import all_of, count
from lab.topology.consoles import INTER_CONSOLE_PORT
from lab.topology.held_events import EVENTS_PORT, HeldEvents, HoldingConsole
from lab.topology.roles import Role
from lab.verify.beside import Beside
from lab.verify.case import Case
from lab.verify.console_flows import (
    LATER_S,
    ConsoleFlow,
    approvals,
    carrying,
    entries,
    flows,
    held,
    is_inter_console,
    outward,
    requests,
    unapproved,
)
from lab.verify.finding import Check, Finding
from lab.wire.decode import TCP

NONE = "there is no Events Manager"
SOON_S = 60.0
"""So long after an approval nothing is missing yet."""
_DAY_S = 86400.0


def check_m_10(case: Case) -> Finding:
    """The manager knows the consoles that are registered, and no others."""
    check = Check(
        "M-10",
        "the Events Manager lists every event that waits on a registered console, and none of any other "
        "console; it sends no packet to a console that is not registered",
    )
    events = case.topology.events
    if events is None:
        return check.not_tested(NONE)
    strangers = [each for each in events.consoles if not each.registered]
    theirs = [event for each in strangers for event in held(case, each.node)]
    listings = [each for each in case.told(EventsListed) if _was_there(theirs, each)]
    if not listings:
        return check.not_tested(
            "no event of a console that is not registered was there to be listed"
        )
    for each in strangers:
        between = [
            frame
            for flow in flows(case)
            if {flow.packet.source, flow.packet.destination} & {*each.addresses}
            and {flow.packet.source, flow.packet.destination} & {*events.addresses}
            and not is_inter_console(case, flow)
            for frame in flow.frames
            if frame.ip and frame.ip.protocol == TCP
        ]
        check.forbid(between, f"between {events.manager} and {each.node}, which is not registered")
    for listing in listings:
        _judge_listing(case, check, events, listing)
    own = all_of([each.node for each in events.registered])
    return check.finding(
        f"{count(len(listings), 'listing')} of {own}; {all_of([e.event for e in theirs])} of "
        f"{all_of([each.node for each in strangers])} in none, and no packet between the two"
    )


def _was_there(events: list[EventHeld], listing: EventsListed) -> bool:
    return any(event.time <= listing.time for event in events)


def _judge_listing(case: Case, check: Check, events: HeldEvents, listing: EventsListed) -> None:
    names = {each.node for each in events.registered}
    for console, event in zip(listing.consoles, listing.events, strict=True):
        if console not in names or event not in {each.event for each in held(case, console)}:
            check.object(f"{event} of {console} is listed, which is not registered, or has no such")
    heard = {e.event for e in case.told(DecisionHeard) if e.time <= listing.time}
    asked = [each for each in case.told(WaitingAsked) if each.time <= listing.time]
    answering = {each.console for each in asked[-len(names) :] if not each.problem}
    for name in sorted(names & answering):
        for its in held(case, name):
            waits = its.time <= listing.time and its.event not in heard
            if waits and its.event not in listing.events:
                check.object(f"{its.event} of {name} waits, and is not listed")


def check_m_11(case: Case) -> Finding:
    """HTTPS from the manager to each console."""
    check = Check(
        "M-11",
        f"the Events Manager asks each registered console by HTTPS at TCP port {EVENTS_PORT}, and says "
        f"nothing to TCP port {INTER_CONSOLE_PORT}",
    )
    events = case.topology.events
    if events is None:
        return check.not_tested(NONE)
    told = []
    for console in events.registered:
        asked = requests(case, events, console.addresses)
        heard = [flow for flow in asked if flow.is_heard]
        if not heard:
            words = f"{console.node} does not answer {events.manager} at TCP port {EVENTS_PORT}"
            frames = [flow.frames[0] for flow in asked[:4]]
            check.lack_beside(Beside.reached, console.node, words, frames)
        for flow in asked:
            if flow.asked and not flow.is_tls:
                check.object(f"what goes to {console.node} is no TLS", flow.frames[:4])
        other = [
            flow.frames[0]
            for flow in flows(case)
            if flow.packet.protocol == TCP
            and flow.packet.source in events.addresses
            and flow.packet.destination in console.addresses
            and flow.packet.destination_port == INTER_CONSOLE_PORT
            and not is_inter_console(case, flow)
        ]
        check.forbid(
            other, f"of {events.manager} to TCP {INTER_CONSOLE_PORT} of {console.node}", "flow"
        )
        check.show(flow.frames[0] for flow in heard[:1])
        told.append(f"{console.node} {count(len(heard), 'connection')}")
    none = f"none to {INTER_CONSOLE_PORT}"
    if any(is_inter_console(case, f) and f.packet.source in events.addresses for f in flows(case)):
        none += " but to have own requests sent (M-05)"
    return check.finding(f"{events.manager} by TLS to {', '.join(told)}; {none}")


def check_m_12(case: Case) -> Finding:
    """Once a console is registered, it is asked what waits, before anything is approved."""
    check = Check(
        "M-12",
        "after its registration each registered console is asked for events that wait, before any of its "
        "events is approved, and the wire shows that request",
    )
    events = case.topology.events
    if events is None:
        return check.not_tested(NONE)
    told = []
    for console in events.registered:
        registered = [e.time for e in case.told(ConsoleRegistered) if e.source == console.node]
        if not registered:
            words = f"{console.node} was never registered at {events.manager}"
            check.lack_beside(Beside.registered, console.node, words)
            continue
        first = _first_decision(case, console)
        asked = [
            each
            for each in case.told(WaitingAsked)
            if each.console == console.node
            and not each.problem
            and registered[0] <= each.time <= first
        ]
        shown = [
            (each, flow)
            for each in asked
            if (flow := carrying(case, console.addresses, each.own_port, each.time)) is not None
        ]
        if not shown:
            why = "no connection carries that" if asked else "it was not asked"
            check.object(f"{console.node} is registered, and before the first approval {why}")
            continue
        event, flow = shown[0]
        check.show(flow.frames[:1])
        told.append(f"{console.node} {event.time - registered[0]:.3f} s after its registration")
    return check.finding(f"asked: {', '.join(told)}")


def _first_decision(case: Case, console: HoldingConsole) -> float:
    own = [each.time for each in case.told(EventDecided) if each.console == console.node]
    return min(own, default=float("inf"))


def check_m_13(case: Case) -> Finding:
    """Without approval nothing of an event leaves, for ever."""
    check = Check(
        "M-13",
        "from the failure on a console sends nothing to IBM that nobody has approved: no packet leaves it "
        "but after an approval, and IBM's servers have nothing of an event that waits",
    )
    events = case.topology.events
    if events is None:
        return check.not_tested(NONE)
    decided = {each.event for each in case.told(DecisionHeard)}
    told = []
    for console in events.consoles:
        for event in held(case, console.node):
            if event.event in decided:
                continue
            sent = [e for e in entries(case, event) if e.status]
            check.want(not sent, f"{event.event} waits, and {_had(sent)}")
            days = (case.record.ended - event.time) / _DAY_S
            told.append(f"{event.event} waits for {days:.1f} days")
        if held(case, console.node):
            _forbid(check, unapproved(case, console.node, console.addresses), console.node)
    if not told:
        return check.not_tested("no event was left to wait")
    return check.finding(f"{'; '.join(told)}: 0 packets to IBM of any")


def _had(sent: Sequence[object]) -> str:
    return f"IBM's servers have it {count(len(sent), 'time')}"


def _forbid(check: Check, found: list[ConsoleFlow], node: str) -> None:
    frames = [frame for flow in found for frame in flow.frames]
    check.forbid(frames, f"of {node} and whom it calls, and nobody has approved anything")


def check_m_14(case: Case) -> Finding:
    """The console itself calls home with what is approved, and never with what is rejected."""
    check = Check(
        "M-14",
        "the manager tells the console of an approval; then the console itself, and not the manager, calls "
        "home with the data that was approved, once; a rejected event is never sent",
    )
    events = case.topology.events
    if events is None:
        return check.not_tested(NONE)
    if case.why_no_ledger:
        return check.not_tested(case.why_no_ledger)
    told = []
    for console in events.consoles:
        own = {each.event: each for each in held(case, console.node)}
        for decision, flow in approvals(case, console.node):
            event = own.get(decision.event)
            if event is None:
                check.object(f"{console.node} has no event {decision.event}, which was decided")
            elif flow is None:
                check.object(
                    f"no connection tells {console.node} what was decided on {event.event}"
                )
            elif decision.approved:
                told += _judge_sent(case, check, console, event, decision, flow)
            else:
                sent = entries(case, event)
                check.want(not sent, f"{event.event} was rejected, and {_had(sent)}")
                left = unapproved(case, console.node, console.addresses)
                _forbid(check, left, console.node)
                told.append(f"{event.event} was rejected by {decision.by}, and never sent")
    _forbid(check, unapproved(case, events.manager, events.addresses), events.manager)
    if not told:
        return check.not_tested("no console has heard of a decision, or the run ended right after")
    return check.finding("; ".join(told))


def _others(case: Case, console: HoldingConsole) -> set[str]:
    """The addresses of the manager and of the other consoles."""
    nodes = (node for node in case.topology.nodes if node.name != console.node)
    hmcs = (node for node in nodes if node.role is Role.hmc)
    return {ip for node in hmcs for plug in node.interfaces for ip in plug.ips}


def _judge_sent(
    case: Case,
    check: Check,
    console: HoldingConsole,
    event: EventHeld,
    decision: EventDecided,
    flow: ConsoleFlow,
) -> list[str]:
    """What became of an approved event, in words; object to what is wrong."""
    if decision.sha256 != event.sha256:
        check.object(f"other data of {event.event} was approved than what waits")
    own = [each for each in entries(case, event) if each.status == 200 and not each.again]
    if not own:
        if case.record.ended - decision.time >= SOON_S:
            check.object(f"{event.event} was approved, and IBM does not have it", flow.frames)
        return []
    if len(own) > 1:
        check.object(f"IBM has {event.event} {count(len(own), 'time')}")
    entry = own[0]
    if entry.body_sha256 != event.sha256:
        check.object(f"IBM has other data of {event.event} than what was approved")
    if entry.peer_ip in _others(case, console):
        check.object(f"{event.event} came from {entry.peer_ip}, which is not {console.node}")
    calls = [
        each
        for each in outward(case, console.addresses, flow.began)
        if each.is_heard and each.began <= entry.time <= each.last + LATER_S
    ]
    check.want(calls, f"no connection of {console.node} after the approval carries {event.event}")
    check.show([flow.frames[0], *(each.frames[0] for each in calls[:1])])
    return [
        f"{event.event} was approved by {decision.by}, and {console.node} sent it "
        f"{entry.time - flow.began:.3f} s later"
    ]
