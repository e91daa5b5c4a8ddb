"""What happens at IBM's Service Server: who asked for what, and what came of it."""

from __future__ import annotations

from lab.record.event import Event, kinds_of
from lab.service.events import Counts


class Audited(Event, topic="audit", chance="authorization"):
    """IBM's service server has recorded an attempt (I-21). The source is the server."""

    user: str
    """As the user has called itself; ``officer`` at the server's own console."""
    address: str
    """From where; empty at the server's own console."""
    console: str
    """With which console the attempt has to do; empty if with none."""
    verb: str
    """``log-in``, a verb of ``lab-service``, or ``session`` for the beginning and the end of a session."""
    outcome: str
    """``done``, ``refused`` or ``failed``."""
    reason: str
    """Why it was refused or failed (``Denial``), or what else is to be said of it."""
    authorization: int
    """The number of the authorization that was given, or by which the attempt was permitted; 0: none."""

    @property
    def sentence(self) -> str:
        who = f"{self.user or 'somebody'} from {self.address}" if self.address else self.user
        what = f"{self.verb} {self.console}".strip()
        return f"{who}: {what}: {self.outcome}" + (f" ({self.reason})" if self.reason else "")


class ToolTried(
    Event,
    topic="service",
    recaps="{user} at {source} asked {server} for: {words}",
    aspects={"{user} at {source} asked {server} for: {words}; the answer was": "{outcome}"},
):
    """Somebody of IBM's has asked the service server for something.

    The source is the PC of the intranet from which the user logged in, or the server, where nobody did. The
    time is the end.
    """

    started: float
    user: str
    server: str
    words: str
    """What was asked for, without a token."""
    status: int
    """The exit status: 0, 1 where it was refused or came to nothing, 255 where ssh itself failed."""
    answer: str
    """The first line of what came back."""

    @property
    def outcome(self) -> str:
        return f"status {self.status}, {self.answer or 'nothing'}"

    @property
    def told(self) -> str:
        """In words; the story tells of the server's record."""
        return f"{self.user} at {self.source} to {self.server}: {self.words}: {self.answer or self.status}"


class ApartTried(Event, topic="service"):
    """Who is no tool of a session tried one port of the session, as a program would (I-19, I-20).

    The source is IBM's service server, or a PC of the intranet.
    """

    address: str
    host: str
    """Whose the address is."""
    port: int
    answer: str
    """The first line of what came back; empty if nothing did."""

    @property
    def sentence(self) -> str:
        outcome = f"says {self.answer!r}" if self.answer else "does not answer"
        return (
            f"{self.source}, past the tools, to {self.host} ({self.address}:{self.port}): {outcome}"
        )


class ApartScanned(
    Event,
    topic="scan",
    recaps="{source} scanned {target} past the service server",
    aspects={
        "{source} scanned {target} past the service server, and there came through": "{at_target} packets",
        "{source} scanned {target} past the service server, and was answered:": "{answered}",
    },
    chance="address sent at_server",
):
    """All TCP and UDP ports, other IP protocols and a ping, between the intranet and a session (I-20).

    The source is the PC of the intranet, or the console, in whose name packets came to the server from the
    session's side.
    """

    started: float
    address: str
    """The source's own."""
    target: str
    sent: Counts
    at_server: Counts
    """As the service server counted them when they came."""
    at_target: Counts
    """As the host at the other end counted them."""
    answered: bool
    """Whether anything came back."""

    @property
    def sentence(self) -> str:
        came = f"{sum(self.at_target)} of {sum(self.sent)} packets came through"
        return f"{self.source} scans {self.target} past the service server: {came}"


KINDS = kinds_of(__name__)
