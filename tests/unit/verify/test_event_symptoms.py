"""What is told of events that wait for approval and get no further."""

from __future__ import annotations

from dataclasses import replace

from lab.events_manager.events import EventNotSent, EventSent, WaitingAsked
from lab.record.event import Event
from tests.recordings.true_run import Recordings, TrueRun

A, M = "203.0.113.11", "203.0.113.10"


def refuse_the_last(run: TrueRun) -> None:
    """What the manager asks hmc-a at the end has no good answer."""
    (*_, last) = [e for e in run.events if isinstance(e, WaitingAsked) and e.console == "hmc-a"]
    refused = replace(last, problem="the token of the registration is needed (RFC 6750)")
    run.events = [refused if event is last else event for event in run.events]


def test_what_is_approved_and_sent_needs_no_diagnosis(recordings: Recordings) -> None:
    assert recordings("events-manager").diagnose().cause == "nothing"


def test_a_console_that_refuses_is_no_firewall(recordings: Recordings) -> None:
    run = recordings("events-manager")
    refuse_the_last(run)

    found = run.diagnose()
    assert found.cause == "events-not-told"
    assert "does not answer hmc-m: the token of the registration is needed" in found.sentence


def test_a_console_that_says_nothing_is_blocked(recordings: Recordings) -> None:
    run = recordings("events-manager")
    refuse_the_last(run)
    run.drop("lan", run.find("lan", lambda p: (p.source, p.destination) == (A, M)))

    found = run.diagnose()
    assert found.cause == "events-blocked"
    assert found.hint == "let TCP 443 from hmc-m in at the firewall of hmc-a (M-11)"


def test_an_approved_event_that_does_not_get_home_is_told_of(recordings: Recordings) -> None:
    run = recordings("events-manager")

    def failed(event: Event) -> Event:
        if not isinstance(event, EventSent):
            return event
        return EventNotSent(
            source=event.source, time=event.time, event=event.event, problem="no answer"
        )

    run.events = [failed(event) for event in run.events]

    found = run.diagnose()
    assert found.cause == "event-not-sent"
    assert found.sentence == "hmc-a does not get home with hmc-a-1, which is approved: no answer"
