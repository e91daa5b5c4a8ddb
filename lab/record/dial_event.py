"""What happens to modems at boot, and to calls that a client makes by one."""

from __future__ import annotations

from lab.record.cause import DialCause
from lab.record.event import Event


class ModemProbed(
    Event,
    topic="modem",
    recaps="{source} asked {device} for a modem, and {outcome}",
    aspects={"{source} asked {device} for a modem, and": "{outcome}"},
):
    """A serial port was asked for a modem at boot (OUT-24)."""

    device: str
    answer: str
    """The modem's final result code; empty if it gave none."""
    command: str
    cause: DialCause | None
    """None if a modem was found."""
    detail: str

    @property
    def outcome(self) -> str:
        """In words that do not hang on time."""
        answer = self.answer or "nothing"
        if self.found:
            return f"{self.command or 'a modem'} was answered with {answer}"
        return f"found none: {self.cause_alone} ({self.command or 'no command'}: {answer})"

    @property
    def found(self) -> bool:
        return self.cause is None

    @property
    def sentence(self) -> str:
        if self.found:
            return f"{self.source}: {self.device}"
        return f"{self.source}: no modem at {self.device}: {self.why}"


class Dialled(
    Event,
    topic="call",
    recaps="{source} dialled {number} by {port}: {outcome}",
    aspects={"{source} dialled {number} by {port}, and it came to": "{outcome}"},
):
    """A client dialled a number, and PPP came up or did not (OUT-23, OUT-25).

    The time is when the modem had answered, or was given up.
    """

    started: float
    device: str
    """The modem's port; empty if a partition was to dial (OUT-30), whose port ``partition-dialled`` tells."""
    number: str
    result: str
    """The modem's final result code, or what a partition says of it (OCCN, CDN); empty if there was none."""
    rate_bit_s: int
    cause: DialCause | None
    """What kept the call from becoming a way home; None if nothing did."""
    command: str
    """Which the modem did not take."""
    detail: str
    """With what it answered the command."""

    @property
    def port(self) -> str:
        return self.device or "a partition"

    @property
    def outcome(self) -> str:
        """In words that do not hang on time."""
        return dial_outcome(self.result, self.rate_bit_s, self.cause_alone, self.command)

    @property
    def sentence(self) -> str:
        what = ", ".join(filter(None, (self.result, self.why)))
        return f"{self.source} dials {self.number}: {what}"


def dial_outcome(result: str, rate_bit_s: int, cause: str, command: str) -> str:
    """What became of a call, in words that do not hang on time."""
    rate = f"at {rate_bit_s} bit/s" if rate_bit_s and str(rate_bit_s) not in result else ""
    refused = f"the modem did not take {command}" if command else ""
    return ", ".join(filter(None, (f"{result or 'no result'} {rate}".strip(), cause, refused)))
