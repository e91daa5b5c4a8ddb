"""What happens on a way by telephone. The source is the client."""

from __future__ import annotations

from dataclasses import dataclass

from lab.record.event import Event
from lab.record.record import DialCause


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ModemFound(Event):
    """A modem answered on a serial port at boot (OUT-24)."""

    topic = "modem"
    device: str

    @property
    def sentence(self) -> str:
        return f"{self.source}: {self.device}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ModemAbsent(Event):
    """No serial port has a modem that does what it is told."""

    topic = "modem"
    cause: DialCause | None
    """Of the last port; none where the client has no port."""
    words: str

    @property
    def sentence(self) -> str:
        return f"{self.source}: no modem" + (f": {self.words}" if self.words else "")


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Dialled(Event):
    """A number was dialled, and PPP came up or did not."""

    topic = "call"
    device: str
    number: str
    result: str
    """The modem's final result code; empty if it gave none."""
    rate_bit_s: int
    cause: DialCause | None
    """What kept the call from becoming a way home; none if nothing did."""
    words: str

    @property
    def sentence(self) -> str:
        what = ", ".join(filter(None, (self.result, self.words)))
        return f"{self.source} dials {self.number}: {what}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FenceTried(Event):
    """Raw packets were sent to see what AT&T's fence makes of them (L-01 to L-12)."""

    topic = "probe"
    side: str
    """``caller``, ``internet`` or ``gateway``: where they were sent."""
    packets: int

    @property
    def sentence(self) -> str:
        return f"raw packets to try {self.source}'s fence, sent by the {self.side}: {self.packets}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class CalledAgain(Event):
    """The client has called once more, and had late answers to its first call sent to it (L-09)."""

    topic = "probe"

    @property
    def sentence(self) -> str:
        return f"{self.source} called again; late answers to its first call were sent to it"
