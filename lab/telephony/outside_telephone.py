"""A telephone on the exchange that has no modem: somebody who dials a number by mistake, or on purpose.

No descriptor, clock or thread: what it hears goes in, what it does comes out.
"""

from __future__ import annotations

from lab.telephony.signals import DialDigits, Effect, Heard, Hook, LineEvent
from lab.topology.telephone import ModemLine

OUTSIDE = "outside"
"""The name of the line; no node has it, as no link leads there."""


def outside_line(exchange: str) -> ModemLine:
    """The line; it has no number, so nobody calls it."""
    return ModemLine(name=OUTSIDE, node=exchange, device="", number="", rate_bit_s=0, delay_s=0.0)


class OutsideTelephone:
    """Waits for the dial tone, dials, and listens."""

    def __init__(self) -> None:
        self._number = ""

    def call(self, number: str) -> list[Effect]:
        """Lift the handset, to dial a number as soon as there is a tone."""
        self._number = number
        return [Hook.off]

    def hear(self, event: LineEvent | bytes) -> list[Effect]:
        """What the line tells."""
        if event is Heard.dial_tone and self._number:
            number, self._number = self._number, ""
            return [DialDigits(number)]
        return []

    def hang_up(self) -> list[Effect]:
        """Put the handset down."""
        self._number = ""
        return [Hook.on]
