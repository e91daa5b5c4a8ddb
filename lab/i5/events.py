"""What happens at a partition of i5/OS that an HMC borrows. The source is the partition.

``client`` is the HMC's node. ``gateway-failed`` tells which gateway gives no way, with the same source.
"""

from __future__ import annotations

from lab.record.cause import DialCause
from lab.record.dial_event import dial_outcome
from lab.record.event import Event, kinds_of


class PassThroughAsked(Event, topic="L2TP"):
    """An HMC asked for a call: by ICRQ for the partition's VPN, by OCRQ for its modem."""

    client: str
    number: str
    """The Called Number AVP; empty of a call for the VPN."""

    @property
    def sentence(self) -> str:
        what = f"dial {self.number}" if self.number else "pass a call on by VPN"
        return f"{self.client} asks {self.source} to {what}"


class PartitionDialled(
    Event,
    topic="call",
    recaps="{source} dialled {number} for {client}: {outcome}",
    aspects={"{source} dialled {number} for {client} by {device}, and it came to": "{outcome}"},
):
    """The partition's modem has dialled for an HMC. The time is when it had answered, or was given up."""

    client: str
    started: float
    device: str
    number: str
    result: str
    """The modem's final result code; empty if it gave none."""
    rate_bit_s: int
    cause: DialCause | None
    """What went wrong; None if the call came."""
    command: str
    """Which the modem did not take."""
    detail: str
    """With what it answered the command."""

    @property
    def sentence(self) -> str:
        what = ", ".join(filter(None, (self.result, self.why)))
        return f"{self.source} dials {self.number} for {self.client}: {what}"

    @property
    def outcome(self) -> str:
        """In words that do not hang on time."""
        return dial_outcome(self.result, self.rate_bit_s, self.cause_alone, self.command)


class PassThroughJoined(Event, topic="L2TP", chance="session"):
    """The kernel has joined an HMC's session with the call that goes on (PPPIOCBRIDGECHAN)."""

    client: str
    far: str
    """The gateway, or the number that was dialled."""
    session: int
    """The partition's own number of the HMC's session."""

    @property
    def sentence(self) -> str:
        return f"{self.source} joins {self.client}'s session with the call to {self.far}"


class PassThroughCleared(
    Event,
    topic="L2TP",
    recaps="{source} cleared {client}'s call",
    aspects={
        "{source} cleared {client}'s call, which": "{ended}",
        "{source} cleared {client}'s call with": "result {result}, error {error}",
    },
    chance="words",
    closing=True,
):
    """A call that an HMC had asked for has ended, or did not come about."""

    client: str
    far: str
    """The gateway, or the number that was dialled; empty if there was none yet."""
    by: str
    """Who ended it: a node, or ``line`` for the telephone."""
    result: int
    """Of the CDN that told the other end (RFC 2661 4.4.2)."""
    error: int
    words: str
    """The CDN's error message."""

    @property
    def ended(self) -> str:
        return f"{self.by} ended" + (f", to {self.far}" if self.far else "")

    @property
    def sentence(self) -> str:
        codes = f"result {self.result}, error {self.error}"
        said = f": {self.words}" if self.words else ""
        return f"{self.source} clears {self.client}'s call, by {self.by} ({codes}{said})"


KINDS = kinds_of(__name__)
