"""What passes between a modem and what surrounds it: events of its line in, effects out. No behaviour here.

The exchange sends a modem ``LineEvent``s and the bytes of a connected call; the modem answers every call
of its methods with a list of ``Effect``s, in the order in which they are to happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from lab.telephony.modulation import Offer

# Events of the line, from the exchange to the modem.


class Heard(Enum):
    """What needs no further words."""

    ringing = auto()
    """One ring of the cadence on a line that is on hook."""
    ringing_stopped = auto()
    """The caller gave up, or the ringing timed out at the exchange."""
    dial_tone = auto()
    """After going off hook, after a flash, or between digits (a second dial tone)."""
    no_dial_tone = auto()
    """The line is dead or blocked; a modem that waits for dial tone also gives up by itself."""
    busy = auto()
    """Busy tone."""
    unobtainable = auto()
    """Number unobtainable tone, or no route."""
    ringback = auto()
    """One ring of the called line, as the caller hears it."""
    quiet = auto()
    """Five seconds of silence after the dialled digits, for which the dial modifier ``@`` waits."""
    answered = auto()
    """The called end went off hook, and is a modem: training begins."""
    voice = auto()
    """The called end went off hook, and is no modem."""
    training_failed = auto()
    """Training ended without a common rate."""
    dropped = auto()
    """The carrier is lost, or the other end hung up."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Training ended well: from now on the call carries data."""

    rate_bit_s: int
    carrier: str = "V34"
    """The modulation, by its name in ``+MS``."""


LineEvent: TypeAlias = Heard | Trained


# Effects, from the modem to the terminal and to the line.


@dataclass(frozen=True, slots=True)
class ToTerminal:
    """Bytes for the terminal."""

    data: bytes
    carried: bool = False
    """They belong to a call; otherwise the modem itself says them."""


@dataclass(frozen=True, slots=True)
class ToLine:
    """Bytes for the other end of a connected call."""

    data: bytes


class Hook(Enum):
    """What a modem does with its hook switch."""

    off = auto()
    """Seize the line to originate a call: the exchange gives dial tone if it can."""
    on = auto()
    """Hang up: whatever the line was doing ends, and no event of it is expected any more."""
    flash = auto()
    """On hook for half a second (``!``), which the exchange does not take for hanging up."""
    answer = auto()
    """Off hook in answer mode; on a line that does not ring, nothing may ever answer that."""


@dataclass(frozen=True, slots=True)
class DialDigits:
    """Digits of a number; more of the same number may follow after a pause."""

    digits: str
    """``0-9 * # A-D``, at least one."""


@dataclass(frozen=True, slots=True)
class Modulation:
    """What the next training is to offer; sent when it changes (``+MS``)."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class Carrier:
    """Circuit 109 (DCD) as ``&C`` has it; sent when it changes."""

    on: bool


Effect: TypeAlias = ToTerminal | ToLine | Hook | DialDigits | Modulation | Carrier
