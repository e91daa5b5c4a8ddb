"""What happens at a relay and at its two ends. No code is told: whoever has one may come in."""

from __future__ import annotations

from lab.names import count
from lab.record.event import Event, kinds_of

TYPED = b"The representative is typing this"
"""What the lab's representative says to each port of a console: no wire may show it."""


class CodeGiven(Event, topic="relay", tells="{source} gives a code, valid for {valid_s:.0f} s"):
    """A representative has a connection code, or more time for it (T2-10)."""

    valid_s: float
    """From now."""


class CodeNotTaken(Event, topic="relay"):
    """A code that somebody entered was refused."""

    address: str
    """From where it came, as the relay sees it."""
    reason: str
    """A member of ``lab.relay.frames.Refusal``, such as ``expired-code``."""

    @property
    def sentence(self) -> str:
        return f"{self.source} takes no code of {self.address}: {self.reason}"


class SessionJoined(Event, topic="relay", tells="{source} joins {console} with {representative}"):
    """Two TLS connections have become one session."""

    console: str
    """Address of the customer's end, as the relay sees it."""
    representative: str


class SessionParted(
    Event, topic="relay", recaps="{by} left the session at {source}", chance="received sent"
):
    """A session has ended at the relay."""

    by: str
    """Address of the end that left, or broke."""
    received: int
    """Bytes inside of that end's TLS."""
    sent: int

    @property
    def sentence(self) -> str:
        carried = count(self.received + self.sent, "byte")
        return f"{self.source}: {self.by} has left the session, which carried {carried}"


class RelayTried(
    Event,
    topic="relay",
    recaps="{source} tried the relay at {address}, TCP {port}: {outcome}",
    aspects={"{source} tried the relay at {address}, TCP {port}, and came to": "{outcome}"},
):
    """An end tried to come to the relay by one port."""

    address: str
    port: int
    phase: str
    """How far it came: ``connect``, ``TLS``, ``hello``, ``code``, ``joined``."""
    tls_version: str
    """Empty if there was no handshake."""
    problem: str
    """What kept it from coming further; empty at ``joined``, or when it has a code of its own."""

    @property
    def sentence(self) -> str:
        return f"{self.source} to {self.address}:{self.port}: {self.problem or self.phase}"

    @property
    def outcome(self) -> str:
        parts = (f"the phase {self.phase}", self.tls_version or "no TLS", self.problem)
        return ", ".join(filter(None, parts))


class LedIn(Event, topic="relay"):
    """A console's session by the relay has begun."""

    ports: str
    """Of the console, to which the customer permits the session to be led, as ``22, 30000-30009``."""

    @property
    def sentence(self) -> str:
        return f"{self.source} lets the session in to {self.ports or 'nowhere'}"


class LedOut(
    Event,
    topic="relay",
    recaps="{source}'s session by the relay ended",
    aspects={
        "{source}'s session by the relay ended by": "{reason}",
        "{source}'s session by the relay was led to": "{ports}",
        "{source}'s session by the relay was denied": "{times}",
    },
    chance="words",
):
    """A console's session by the relay has ended."""

    reason: str
    """A member of ``lab.relay.frames.Refusal``, or ``cut-off``."""
    words: str
    ports: str
    """To which the session was led, as ``22, 30000-30009``."""
    denied: int
    """So many times something else was asked for."""

    @property
    def times(self) -> str:
        return f"something else {count(self.denied, 'time')}"

    @property
    def sentence(self) -> str:
        why = self.words or self.reason.replace("-", " ")
        where = f"led to {self.ports}" if self.ports else "led nowhere"
        return f"{self.source}'s session is over ({why}): {where}, {count(self.denied, 'denial')}"


class WaitedAtRelay(Event, topic="relay"):
    """A representative has waited for a customer to enter a code. The time is the end."""

    started: float
    result: str
    """``joined``, or what became of it, in words."""

    @property
    def joined(self) -> bool:
        """Whether a session came about."""
        return self.result == "joined"

    @property
    def sentence(self) -> str:
        return f"{self.source} waits at the relay: {self.result}"


class PortAsked(
    Event, topic="relay", tells="{source} asks for TCP {port} of the console: {answer}"
):
    """The representative asked for a port of the console in a session."""

    port: int
    answer: str
    """``open``, or why not: ``not-permitted``, ``no-answer``, ``too-many``; ``none`` if none came."""


class PortsAsked(
    Event,
    topic="relay",
    recaps="{source} asked for {asked} TCP ports of the console",
    aspects={
        "{source} asked for {asked} TCP ports of the console, and": "{answered} were answered",
        "of {asked} TCP ports that {source} asked for, the customer permitted": "{permitted}",
        "of {asked} TCP ports that {source} asked for, it was led to": "{opened}",
    },
):
    """The representative asked for many TCP ports of the console in a session."""

    permitted: str
    """As the console had said, as ``22, 30000-30009``."""
    asked: int
    """For so many ports."""
    answered: int
    """So many answers came."""
    opened: str
    """To which it was led."""

    @property
    def sentence(self) -> str:
        opened = self.opened or "none"
        return f"{self.source} asks for {self.asked:,} TCP ports of the console: {opened} opened"


KINDS = kinds_of(__name__)
