"""What happens on a way by telephone. The source is the client, unless it says otherwise."""

from __future__ import annotations

from lab.record.cause import DialCause
from lab.record.event import Event


class ModemFound(Event, topic="modem", tells="{source}: {device}"):
    """A modem answered on a serial port at boot (OUT-24)."""

    device: str


class ModemAbsent(Event, topic="modem"):
    """No serial port has a modem that does what it is told."""

    device: str
    """The last port that was asked; empty where the client has no port."""
    command: str
    cause: DialCause | None
    """None where the client has no port."""
    detail: str

    @property
    def sentence(self) -> str:
        return f"{self.source}: no modem" + (f": {self.why}" if self.cause else "")


class Dialled(Event, topic="call"):
    """A number was dialled, and PPP came up or did not."""

    device: str
    number: str
    result: str
    """The modem's final result code; empty if it gave none."""
    rate_bit_s: int
    cause: DialCause | None
    """What kept the call from becoming a way home; none if nothing did."""
    command: str
    detail: str

    @property
    def sentence(self) -> str:
        what = ", ".join(filter(None, (self.result, self.why)))
        return f"{self.source} dials {self.number}: {what}"


class FenceTried(
    Event,
    topic="probe",
    tells="raw packets to try {source}'s fence, sent by the {side}: {packets}",
):
    """Raw packets were sent to see what AT&T's fence makes of them (L-01 to L-12)."""

    side: str
    """``caller``, ``internet`` or ``gateway``: where they were sent."""
    packets: int


class CalledAgain(
    Event,
    topic="probe",
    tells="{source} called again; late answers to its first call were sent to it",
):
    """The client has called once more, and had late answers to its first call sent to it (L-09)."""


# AT&T's gateway. The source is its node.


class LigLeftToRing(Event, topic="call"):
    """A call was not answered, as no address was free (P-12)."""

    line: str


class LigAnswered(Event, topic="call"):
    """A modem of the gateway has answered, and the modems are connected."""

    line: str
    number: int
    """Of the call, as the gateway counts its calls."""
    rate_bit_s: int
    address: str
    """From the pool, for the time of the call."""


class LigAdmitted(Event, topic="call"):
    """PAP has found out who calls, and the fence lets that user's packets pass (L-01)."""

    line: str
    number: int
    interface: str
    address: str
    user: str


class LigHungUp(Event, topic="call"):
    """The call has ended: its pppd is gone, and the fence knows it no more."""

    line: str
    number: int
    exit_status: int
    """pppd(8) EXIT STATUS."""
