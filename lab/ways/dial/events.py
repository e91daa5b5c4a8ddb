"""What happens on a way by telephone. The source is the client, unless it says otherwise."""

from __future__ import annotations

from lab.record.event import Event

RINGS = 10
"""As often it rings before somebody outside gives up (OUT-47); a ring takes six seconds."""


class NoSerialPort(Event, topic="modem", tells="{source}: no modem"):
    """The client has no serial port, so no modem."""


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


class Rung(
    Event,
    topic="probe",
    tells="somebody outside called {source}: RING {rings} times at {device}, and {outcome}",
):
    """Somebody who has no business with the client has called its number (OUT-47)."""

    device: str
    rings: int
    """What the modem said of it, by RING."""
    outcome: str
    """``no answer``, or ``an answer`` if the modem said anything else."""


# AT&T's gateway. The source is its node.


class LigLeftToRing(Event, topic="call", recaps="{source} let {line} ring, as no address was free"):
    """A call was not answered, as no address was free (P-12)."""

    line: str


class LigAnswered(
    Event,
    topic="call",
    recaps="{source} answered {line}",
    aspects={"{source} answered {line}, and the modems ran": "at {rate_bit_s} bit/s"},
    chance="number address",
):
    """A modem of the gateway has answered, and the modems are connected."""

    line: str
    number: int
    """Of the call, as the gateway counts its calls."""
    rate_bit_s: int
    address: str
    """From the pool, for the time of the call."""


class LigAdmitted(
    Event,
    topic="call",
    recaps="{source} let {user} in on {line}",
    chance="number address interface",
):
    """PAP has found out who calls, and the fence lets that user's packets pass (L-01)."""

    line: str
    number: int
    interface: str
    address: str
    user: str


class LigHungUp(
    Event,
    topic="call",
    recaps="{source}'s call on {line} ended",
    chance="number exit_status",
    closing=True,
):
    """The call has ended: its pppd is gone, and the fence knows it no more."""

    line: str
    number: int
    exit_status: int
    """pppd(8) EXIT STATUS."""
