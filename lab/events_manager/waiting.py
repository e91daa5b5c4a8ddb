"""A console's events, and what may be done with each: only what is approved is sent (M-13, M-14).

No effects. Any thread may ask.
"""

from __future__ import annotations

import hashlib
import threading
from enum import StrEnum


class EventState(StrEnum):
    """What became of an event. From ``waiting`` one way leads to ``sent``, and one to ``rejected``."""

    waiting = "waiting"
    approved = "approved"
    rejected = "rejected"
    sent = "sent"


class NoSuchEvent(Exception):
    """No event has that identifier. Not a LabError: the desk answers 404."""


class NotToBeDecided(Exception):
    """A decision that cannot hold; the message says why. Not a LabError: the desk answers 409."""


class HeldEvent:
    """One event; what would be sent never changes."""

    __slots__ = ("by", "data", "identifier", "severity", "sha256", "state", "text", "time")

    def __init__(self, identifier: str, severity: int, text: str, time: float, data: bytes) -> None:
        self.identifier = identifier
        self.severity = severity
        self.text = text
        self.time = time
        self.data = data
        """What is POSTed to IBM, to the byte."""
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.state = EventState.waiting
        self.by = ""
        """Who has decided; empty while nobody has."""


class WaitingEvents:
    """All of a console."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, HeldEvent] = {}

    def add(self, event: HeldEvent) -> None:
        """A new event, which waits."""
        with self._lock:
            assert event.identifier not in self._events, "identifiers are used once"
            self._events[event.identifier] = event

    def waiting(self) -> list[HeldEvent]:
        """Those that nobody has decided, the oldest first."""
        with self._lock:
            return [each for each in self._events.values() if each.state is EventState.waiting]

    def find(self, identifier: str) -> HeldEvent:
        """Raises NoSuchEvent."""
        with self._lock:
            return self._find(identifier)

    def decide(self, identifier: str, sha256: str, by: str, *, approved: bool) -> bool:
        """Approve or reject; whether that was news. ``sha256``: of the data that was looked at.

        The same decision may come again. Raises NoSuchEvent; NotToBeDecided if it was decided otherwise, or
        other data was looked at.
        """
        with self._lock:
            event = self._find(identifier)
            if sha256 != event.sha256:
                raise NotToBeDecided(f"{identifier} has data with the SHA-256 {event.sha256}")
            if event.state is EventState.waiting:
                event.state = EventState.approved if approved else EventState.rejected
                event.by = by
                return True
            if approved is (event.state is EventState.rejected):
                raise NotToBeDecided(f"{identifier} is {event.state} by {event.by}")
            return False

    def to_send(self, identifier: str) -> HeldEvent | None:
        """The event, if it is approved and not sent yet."""
        with self._lock:
            event = self._find(identifier)
            return event if event.state is EventState.approved else None

    def note_sent(self, identifier: str) -> None:
        """IBM has it; only what was approved can have been sent."""
        with self._lock:
            event = self._find(identifier)
            assert event.state in (EventState.approved, EventState.sent), event.state
            event.state = EventState.sent

    def _find(self, identifier: str) -> HeldEvent:
        if identifier not in self._events:
            raise NoSuchEvent(identifier)
        return self._events[identifier]
