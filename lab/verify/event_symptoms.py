"""What befell events that wait for approval, in words."""

from __future__ import annotations

from lab.events_manager.events import EventNotSent, EventSent, WaitingAsked
from lab.names import count
from lab.topology.held_events import EVENTS_PORT, HoldingConsole
from lab.verify.case import Case
from lab.verify.console_flows import held, requests
from lab.verify.symptom import Diagnosis
from lab.wire.decode import Frame


def find(case: Case) -> Diagnosis | None:
    """The first of them; None if the manager reaches every console, and what is approved is sent."""
    return _not_reached(case) or _not_sent(case)


SHUT = "events-blocked"


def shut(case: Case) -> list[str]:
    """The consoles of which nothing ever came back to the manager, however often it asked."""
    events = case.topology.events
    found = []
    for console in events.registered if events is not None else ():
        own = [each for each in case.told(WaitingAsked) if each.console == console.node]
        asked = events is not None and requests(case, events, console.addresses)
        if own and asked and all(e.problem for e in own) and not _answers(case, console):
            found.append(console.node)
    return found


def _answers(case: Case, console: HoldingConsole) -> list[Frame]:
    """What a console said to the manager's requests."""
    events = case.topology.events
    asked = requests(case, events, console.addresses) if events is not None else []
    frames = (frame for flow in asked for frame in flow.frames)
    return [frame for frame in frames if frame.ip and frame.ip.source in console.addresses]


def _not_reached(case: Case) -> Diagnosis | None:
    """A registered console whose last request had no answer."""
    events = case.topology.events
    for console in events.registered if events is not None else ():
        own = [each for each in case.told(WaitingAsked) if each.console == console.node]
        if events is None or not own or not own[-1].problem:
            continue
        asked = requests(case, events, console.addresses)
        waiting = count(len(held(case, console.node)), "event")
        where = f"TCP {EVENTS_PORT} of {console.node} ({console.address})"
        if not _answers(case, console):
            return Diagnosis(
                SHUT,
                f"{events.manager} does not reach {where}: {count(len(asked), 'connection')} tried, and "
                f"nothing came back, so {waiting} of {console.node} can be neither approved nor rejected",
                f"let TCP {EVENTS_PORT} from {events.manager} in at the firewall of {console.node} (M-11)",
            )
        return Diagnosis(
            "events-not-told",
            f"{where} does not answer {events.manager}: {own[-1].problem}, so {waiting} of {console.node} "
            "can be neither approved nor rejected",
            f"register {console.node} at {events.manager} again, and see what listens there",
        )
    return None


def _not_sent(case: Case) -> Diagnosis | None:
    """An approved event that did not get home."""
    sent = {each.event for each in case.told(EventSent)}
    for failed in case.told(EventNotSent):
        if failed.event not in sent:
            return Diagnosis(
                "event-not-sent",
                f"{failed.source} does not get home with {failed.event}, which is approved: "
                f"{failed.problem}",
                f"see how {failed.source} calls home otherwise; it tries again each hour",
            )
    return None
