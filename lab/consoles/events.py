"""What happens among consoles of one customer. The source is the console that has noticed."""

from __future__ import annotations

from lab.record.event import Event, kinds_of


class ConsoleDiscovered(Event, topic="consoles"):
    """Another console is known (M-01, M-02)."""

    console: str
    address: str
    via: str
    """The managed system that told of it; empty: by its own broadcast."""

    @property
    def sentence(self) -> str:
        how = f"by {self.via}" if self.via else "by broadcast"
        return f"{self.source} discovers {self.console} ({self.address}) {how}"


class ConsoleLost(
    Event, topic="consoles", recaps="{source} knows {console} no longer", closing=True
):
    """Another console is known no longer."""

    console: str
    silent_s: float
    """For how long nobody has told of it; 0 if it has said goodbye."""

    @property
    def sentence(self) -> str:
        if not self.silent_s:
            return f"{self.console} says goodbye to {self.source}"
        return f"{self.console} is gone for {self.source}: silent for {self.silent_s:.0f} s"


class RequestForwarded(Event, topic="consoles"):
    """A console asks a call-home server to send a request to IBM (M-05)."""

    console: str
    """The server."""
    key: str
    """By which the request is known again."""

    @property
    def sentence(self) -> str:
        return f"{self.source} forwards a request to {self.console}"


class RequestTaken(
    Event, topic="consoles", tells="{source} takes a request of {address}, to be sent to IBM"
):
    """A call-home server has got a request of another console's."""

    address: str
    key: str


class RequestDelivered(
    Event, topic="consoles", recaps="{console} has sent {source}'s request to IBM"
):
    """IBM has acknowledged a request to the server, and the server to the console."""

    console: str
    key: str
    transaction: str

    @property
    def sentence(self) -> str:
        return f"{self.console} has sent {self.source}'s request: {self.transaction}"


class RequestFailed(Event, topic="consoles"):
    """A call-home server did not send a request, or did not say so (M-07)."""

    console: str
    key: str
    problem: str

    @property
    def sentence(self) -> str:
        return f"{self.source} hears from {self.console} that its request failed: {self.problem}"


class LevelsDiffer(Event, topic="consoles"):
    """Call-home servers are not all of one level, which they should be (M-08)."""

    levels: str
    """Names and levels."""

    @property
    def sentence(self) -> str:
        return f"{self.source} warns: call-home servers should be of one level: {self.levels}"


KINDS = kinds_of(__name__)
