"""The events of a lab that stands, as sentences, and the calls that they tell of."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import codec
from lab.record.event import Event, LabUp, known_kinds
from lab.record.story import EVENTS

_DECLARES = "lab.verify.case"
"""What imports every kind of event."""
MOST_EVENTS = 5000
"""Of which are kept: a year of a lab is no reason for a gigabyte here."""
_QUIET = {"terminal-said", "modem-said"}
_BEGAN = LabUp.kind()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSeen:
    """An event in words."""

    time: float
    source: str
    kind: str
    topic: str
    text: str
    bad: bool
    """Whether something failed."""


@dataclass(slots=True, kw_only=True)
class CallSeen:
    """A call at the exchange."""

    call: int
    line: str
    number: str
    state: str
    since: float
    """When the state was reached, on the lab's clock."""


_STATES = {
    "call-rings": "rings", "call-answered": "trains", "call-connected": "connected",
    "call-refused": "refused", "call-unanswered": "not answered", "voice-answered": "a voice",
    "call-silent": "silent", "training-failed": "training failed", "line-dropped": "dropped",
    "hung-up": "over",
}  # fmt: skip
STANDING = "rings", "trains", "connected"
"""States of calls that are not over."""


@dataclass
class ToldSoFar:
    """All that the events of a run directory told so far."""

    run_dir: Path
    events: list[EventSeen] = field(default_factory=list)
    calls: dict[int, CallSeen] = field(default_factory=dict)
    origin: float = 0.0
    """From where the story counts: the lab's start, or the first event of a lab that has not told it."""
    _place: int = 0
    _kinds: dict[str, type[Event]] = field(default_factory=dict)

    def read_on(self) -> bool:
        """Read what has come since; whether anything has."""
        self._kinds = self._kinds or _known()
        try:
            with (self.run_dir / EVENTS).open("rb") as file:
                size = file.seek(0, 2)
                # At its end a lab sorts the file.
                self._place = self._place if size >= self._place else 0
                file.seek(self._place)
                data = file.read()
        except OSError:
            return False
        whole, _, _ = data.rpartition(b"\n")
        self._place += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            self._take(line)
        del self.events[:-MOST_EVENTS]
        return bool(whole)

    def _take(self, line: bytes) -> None:
        try:
            fields: dict[str, Any] = json.loads(line)
            name = str(fields.pop("kind"))
            time = float(fields["time"])
        except (KeyError, TypeError, ValueError):
            return
        self.origin = self.origin or time
        if name == _BEGAN:
            self.origin = float(fields.get("started") or self.origin)
        self._take_call(name, time, fields)
        if name in _QUIET:
            return
        topic, text, bad = self._words(name, fields)
        if text:
            source = str(fields.get("source", ""))
            seen = EventSeen(time=time, source=source, kind=name, topic=topic, text=text, bad=bad)
            self.events.append(seen)

    def _words(self, name: str, fields: dict[str, Any]) -> tuple[str, str, bool]:
        kind = self._kinds.get(name)
        if kind is None:
            return "", name.replace("-", " "), False
        try:
            event = codec.build(kind, fields)
            return kind.topic, event.sentence or getattr(event, "note", ""), event.went_wrong
        except (AttributeError, KeyError, TypeError, ValueError):
            # Of another version of the lab.
            return kind.topic, name.replace("-", " "), False

    def _take_call(self, name: str, time: float, fields: dict[str, Any]) -> None:
        number = fields.get("call")
        if name not in _STATES or not isinstance(number, int) or not number:
            return
        line, dialled = str(fields.get("line", "")), str(fields.get("number", ""))
        known = self.calls.setdefault(
            number, CallSeen(call=number, line=line, number=dialled, state="", since=time)
        )
        known.state, known.since = _STATES[name], time

    @property
    def standing_calls(self) -> list[CallSeen]:
        return [call for call in self.calls.values() if call.state in STANDING]


def _known() -> dict[str, type[Event]]:
    importlib.import_module(_DECLARES)
    return known_kinds()
