"""What a console does with an event that was approved: it calls home until IBM has it, and once."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from lab.agent.message import Attempt, Message
from lab.events_manager import service
from lab.events_manager.events import EventSent
from lab.events_manager.service import ConsoleEvents
from lab.events_manager.waiting import EventState
from lab.linux.nodes import Node
from lab.record.cause import AgentCause
from lab.record.event import Event

DEADLINE_S = 30.0


class Rack:
    """A console without a network, and what IBM is sent: the first ``fails`` calls do not get there."""

    name = "hmc-a"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: int) -> None:
        self.told: list[Event] = []
        self.messages: list[Message] = []
        self.called = threading.Event()
        self.done = threading.Event()
        self.gate = threading.Event()
        """Calls wait for it."""
        self.gate.set()
        self._fails = fails
        self.console = ConsoleEvents(cast("Node", self), lambda node: {}, self.tell)
        monkeypatch.setattr(self.console._home, "send", self.send)

    def tell(self, event: Event) -> None:
        self.told.append(event)
        if isinstance(event, EventSent):
            self.done.set()

    def send(self, message: Message) -> Attempt:
        self.messages.append(message)
        self.called.set()
        assert self.gate.wait(DEADLINE_S)
        attempt = Attempt("https://esupport.ibm.com")
        if len(self.messages) <= self._fails:
            attempt.fail(AgentCause.broken, "the server is down")
        else:
            attempt.acknowledgement = {"transaction": "SDC0000001"}
        return attempt

    def approve(self, event: str) -> None:
        held = self.console.events.find(event)
        self.console.events.decide(event, held.sha256, "eve", approved=True)
        self.console.send(event)


def test_an_approved_event_is_sent_again_until_ibm_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same data with the same key each time, so that IBM has one event."""
    monkeypatch.setattr(service, "RETRY_S", 0.0)
    rack = Rack(monkeypatch, fails=2)
    event = rack.console.fail("Fan 3 has failed")
    before = {*threading.enumerate()}
    rack.gate.clear()
    rack.approve(event)
    rack.console.send(event)
    assert rack.called.wait(DEADLINE_S)
    assert len({*threading.enumerate()} - before) == 1, (
        "a thread for the event, however often it is asked"
    )
    rack.gate.set()
    assert rack.done.wait(DEADLINE_S)
    rack.console.send(event)
    rack.console.stop()

    held = rack.console.events.find(event)
    assert held.state is EventState.sent
    assert [(m.key, m.content, m.path) for m in rack.messages] == 3 * [
        ("hmc-a-1", held.data, "/transaction/problem")
    ]
    kinds = [each.kind() for each in rack.told[1:]]
    assert kinds == ["event-not-sent", "event-not-sent", "event-sent"]


def test_nothing_is_sent_that_waits_or_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    rack = Rack(monkeypatch, fails=0)
    waiting, rejected = rack.console.fail("Fan 3"), rack.console.fail("Disk 5")
    held = rack.console.events.find(rejected)
    rack.console.events.decide(rejected, held.sha256, "eve", approved=False)
    rack.console.send(waiting)
    rack.console.send(rejected)
    rack.console.stop()

    assert not rack.messages
    assert not rack.console._sending


def test_a_lab_that_goes_down_does_not_wait_for_the_next_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rack = Rack(monkeypatch, fails=99)
    rack.approve(rack.console.fail("Fan 3 has failed"))
    assert rack.called.wait(DEADLINE_S)
    rack.console.stop()

    assert len(rack.messages) == 1
    assert not [each for each in rack.console._sending.values() if each.is_alive()]
