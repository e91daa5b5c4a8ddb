"""What happens on a way home by other consoles. The source is the agent's host."""

from __future__ import annotations

from lab.record.event import Event, kinds_of


class CallHomeServersKnown(
    Event, topic="consoles", tells="{source} knows call-home servers: {servers}"
):
    """An agent's own console has discovered consoles that call home for others (M-05)."""

    servers: str
    """Their names."""


class InterConsoleTried(Event, topic="probe", chance="address destination ports"):
    """What key exchange a console takes at TCP port 9920, tried from another console's host (P-17).

    The three tuples go together: one entry is one connection.
    """

    console: str
    """That is tried."""
    address: str
    """From which it is tried."""
    destination: str
    offers: tuple[str, ...]
    """By their names in ``lab.consoles.tried``."""
    ports: tuple[int, ...]
    """The client's, by which the captures show the connection; 0 if none came about."""
    answers: tuple[str, ...]
    """The suite that the console chose, or its alert; empty if it said nothing."""

    @property
    def recap(self) -> str:
        return f"{self.source} tried what key exchange {self.console} takes"

    @property
    def turns(self) -> dict[str, str]:
        pairs = zip(self.offers, self.answers, strict=True)
        whom = f"{self.console} answered {self.source}'s offer"
        return {f"{whom} {offer} with": answer or "nothing" for offer, answer in pairs}

    @property
    def sentence(self) -> str:
        pairs = zip(self.offers, self.answers, strict=True)
        told = ", ".join(f"{offer}: {answer or 'no answer'}" for offer, answer in pairs)
        return f"{self.source} tries the key exchange of {self.console}: {told}"


class ClearRequestTried(Event, topic="probe", chance="address port destination"):
    """A request to a console's TCP port 9920 by HTTP in clear, from another console's host (M-03)."""

    console: str
    address: str
    """From which it is tried."""
    port: int
    """The client's; 0 if no connection came about."""
    destination: str
    key: str
    """The request's."""
    status: int
    """That was answered; 0 if none was."""

    @property
    def sentence(self) -> str:
        answer = f"answered {self.status}" if self.status else "not answered"
        return f"{self.source} asks {self.console} at TCP port 9920 without TLS: {answer}"


class PortTaken(Event, topic="consoles"):
    """The customer took a port of consoles out of firewalls of their own, and gave it back (M-04, F-17).

    Meanwhile and afterwards the agent's console was asked for a call home. Time: of the end.
    """

    protocol: str
    port: int
    consoles: str
    """Whose firewalls, with blanks between the names."""
    started: float
    restored: float
    """When the port was given back."""
    known: str
    """The call-home servers that the agent's console knew then, with blanks between."""
    acknowledged: bool
    """Whether the call home got through while the port was closed."""
    again: bool
    """Whether one got through after that."""

    @property
    def sentence(self) -> str:
        told = f"{self.protocol.upper()} {self.port} closed at {self.consoles.replace(' ', ', ')}"
        known = f"knows {self.known.replace(' ', ', ')}" if self.known else "knows no server"
        home = "gets" if self.acknowledged else "does not get"
        return f"{told}: {self.source} {known}, and {home} home; given back: {_home(self.again)}"


def _home(acknowledged: bool) -> str:
    return "it gets home" if acknowledged else "it does not get home"


KINDS = kinds_of(__name__)
