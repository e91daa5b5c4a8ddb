"""What happens to events that wait for approval. The source is the console that has noticed."""

from __future__ import annotations

from lab.record.event import Event, kinds_of


class EventHeld(
    Event,
    topic="events",
    tells="{source}: {text} ({event}) waits for approval",
    recaps="{source}: {text} ({event}, severity {severity}) waits for approval",
):
    """Hardware has failed, and nothing of that is sent to IBM before somebody approves (M-13)."""

    event: str
    """The event's identifier."""
    severity: int
    text: str
    sha256: str
    """Of the data that would go, in hexadecimal digits."""


class ConsoleRegistered(
    Event,
    topic="events",
    tells="{source} is registered at {manager}",
    recaps="{source} is registered at {manager} ({address})",
):
    """A console knows its Events Manager (M-10)."""

    manager: str
    address: str
    """The manager's."""


class WaitingAsked(
    Event,
    topic="events",
    recaps="{source} asked {console}{daily_words} what waits: {outcome}",
    aspects={
        "{source} asked {console}{daily_words} what waits, and heard": "{outcome}",
        "{source} asked {console}{daily_words} what waits, and met with": "{problem}",
        "{source} asked {console}{daily_words} at": "{address}, TCP {port}",
    },
):
    """The manager has asked a console for events that wait, or has tried to (M-11, M-12)."""

    console: str
    address: str
    port: int
    own_port: int
    """From which the manager asked; 0 if there was no connection."""
    events: tuple[str, ...]
    problem: str
    """Why there was no answer; empty if there was one."""
    daily: bool
    """Whether nobody wanted to see it: the manager asks by itself once a day."""

    @property
    def sentence(self) -> str:
        if self.daily:
            return ""
        if self.problem:
            return f"{self.source} does not hear from {self.console}: {self.problem}"
        verb = "wait" if len(self.events) > 1 else "waits"
        return f"{self.source} asks {self.console}: {', '.join(self.events) or 'nothing'} {verb}"

    @property
    def daily_words(self) -> str:
        return ", as each day," if self.daily else ""

    @property
    def outcome(self) -> str:
        return ", ".join(self.events) or "nothing"


class EventsListed(
    Event,
    topic="events",
    recaps="somebody saw at {source} what waits",
    aspects={"somebody saw at {source} that there waits": "{waits}"},
):
    """Somebody has seen which events wait (M-10, M-13)."""

    consoles: tuple[str, ...]
    """Whose they are, in the order of ``events``."""
    events: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"{self.source} lists {', '.join(self.events) or 'no event'}"

    @property
    def waits(self) -> str:
        pairs = zip(self.events, self.consoles, strict=False)
        return ", ".join(f"{event} of {console}" for event, console in pairs) or "nothing"


class EventDecided(
    Event,
    topic="events",
    recaps="{decision} {event} of {console} at {source}",
    aspects={
        "who decided on {event} of {console} at {source}:": "{decision} it",
        "{console} was to hear of the decision on {event}, and": "{heard}",
    },
):
    """Somebody has approved or rejected an event at the manager (M-13); also if the console did not hear."""

    console: str
    event: str
    approved: bool
    by: str
    means: str
    """``command``, ``page`` or ``lab``."""
    sha256: str
    """Of the data that they have seen."""
    own_port: int
    """From which the manager told the console; 0 if there was no connection."""
    problem: str
    """Why the console does not know; empty if it does."""

    @property
    def sentence(self) -> str:
        done = "approves" if self.approved else "rejects"
        but = f", and {self.console} does not know: {self.problem}" if self.problem else ""
        return f"{self.by} {done} {self.event} of {self.console}{but}"

    @property
    def decision(self) -> str:
        done = "approved" if self.approved else "rejected"
        return f"{self.by} (by {self.means}) {done}"

    @property
    def heard(self) -> str:
        return f"did not: {self.problem}" if self.problem else "did"


class DecisionHeard(
    Event,
    topic="events",
    recaps="{source} heard what {by} decided on {event}",
    aspects={"{source} heard what {by} decided on {event}, and it": "{may}"},
):
    """A console knows what has been decided (M-14)."""

    event: str
    approved: bool
    by: str

    @property
    def sentence(self) -> str:
        return f"{self.source}: {self.event} {self.may}"

    @property
    def may(self) -> str:
        return "may be sent" if self.approved else "is never sent"


class EventSent(
    Event,
    topic="events",
    tells="{source} calls home with {event}: {transaction}",
    recaps="{source} called home with {event}",
):
    """IBM has an event that was approved (M-14)."""

    event: str
    transaction: str


class EventNotSent(
    Event, topic="events", tells="{source} does not get home with {event}: {problem}"
):
    """A call home with an approved event has failed; there is another in an hour."""

    event: str
    problem: str


KINDS = kinds_of(__name__)
