"""What there is to set, with defaults and ranges: tables, from which commands, ``&V`` and pages are made.

What is without ``effect`` is taken all the same, since initialisation strings for real modems are full of
it; docs/at-settings.md says why it has none. Ranges and defaults that V.250 does not have are those of
Rockwell's and Conexant's chip sets, which most modems were made of, and of Hayes. No values are kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from lab.telephony.modulation import CARRIERS

Value: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class Register:
    """An S register (V.250 5.3.2)."""

    default: int
    low: int
    high: int
    help: str
    effect: bool = True


# V.250 has S6 to 10 only (6.3.9), and S10 to 254 (6.3.12). The wider ranges, the defaults of S7 and S10, and
# S1, S2, S9 and those from S11 on are of Hayes and of chip sets; V.250 5.8.1 has nothing against them.
REGISTERS: Mapping[int, Register] = {
    0: Register(0, 0, 255, "rings until the modem answers by itself; 0: never"),
    1: Register(0, 0, 255, "rings counted so far; not stored"),
    2: Register(43, 0, 255, "escape character; above 127: none"),
    3: Register(13, 0, 127, "character that ends a command line; not stored"),
    4: Register(10, 0, 127, "character that follows S3 in responses; not stored"),
    5: Register(8, 0, 127, "character that takes back the last one; not stored"),
    6: Register(2, 2, 255, "seconds to wait before dialling blindly"),
    7: Register(50, 1, 255, "seconds to wait for the carrier, and for what W and @ wait for"),
    8: Register(2, 0, 255, "seconds that a comma pauses dialling"),
    9: Register(6, 1, 255, "tenths of a second of carrier before it counts", effect=False),
    10: Register(14, 1, 255, "tenths of a second from loss of carrier to hanging up", effect=False),
    11: Register(95, 50, 255, "milliseconds of a dialled tone", effect=False),
    12: Register(50, 0, 255, "fiftieths of a second of silence around the escape characters"),
    18: Register(0, 0, 255, "seconds of a self-test", effect=False),
    25: Register(5, 0, 255, "hundredths of a second of B0 before DTR counts as gone"),
    26: Register(1, 0, 255, "hundredths of a second from RTS to CTS", effect=False),
    30: Register(0, 0, 255, "tens of seconds without data before hanging up; 0: never"),
    32: Register(17, 17, 17, "character for XON", effect=False),
    33: Register(19, 19, 19, "character for XOFF", effect=False),
    36: Register(7, 0, 7, "what to do when V.42 fails", effect=False),
    37: Register(0, 0, 19, "modulation to try first", effect=False),
    38: Register(20, 0, 255, "seconds to wait for data on its way when hanging up", effect=False),
    46: Register(138, 0, 138, "whether V.42 goes with compression", effect=False),
    48: Register(7, 0, 128, "how V.42 is agreed on", effect=False),
    82: Register(128, 0, 255, "how a break is passed on", effect=False),
    95: Register(0, 0, 255, "sum of 1: CONNECT has the line's rate, 4: +MR, 8: +ER, 32: +DR"),
}
# What a terminal needs to be understood at all comes back by Z, whatever was stored (a Hayes habit).
VOLATILE = (1, 3, 4, 5)
REPORT_BITS: Mapping[str, int] = {"+MR": 4, "+ER": 8, "+DR": 32}
"""Parameters that are another name for a bit of S95."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A basic command with a number (V.250 5.3.1)."""

    default: int
    values: tuple[int, ...]
    help: str
    effect: bool = True


SWITCHES: Mapping[str, Switch] = {
    "B": Switch(0, (0, 1), "below 2400 bit/s ITU's modulations (0) or Bell's (1)", effect=False),
    "C": Switch(1, (1,), "carrier while connected", effect=False),
    "E": Switch(1, (0, 1), "echo of command lines: 0 off, 1 on"),
    "F": Switch(1, (0, 1), "by maker: modulation, or echo of data", effect=False),
    "L": Switch(1, (0, 1, 2, 3), "loudness of the speaker", effect=False),
    "M": Switch(1, (0, 1, 2, 3), "when the speaker is on", effect=False),
    "N": Switch(1, (0, 1), "whether a modulation is looked for", effect=False),
    "Q": Switch(0, (0, 1, 2), "result codes: 0 sent, 1 not, 2 not while answering"),
    "V": Switch(1, (0, 1), "result codes as numbers (0) or words (1)"),
    "W": Switch(
        2, (0, 1, 2), "rate in CONNECT: the port's by 0 and 1, the line's by 2; 1: reports"
    ),
    "X": Switch(
        4, (0, 1, 2, 3, 4), "rates and call progress: dial tone by 2 and 4, busy by 3 and 4"
    ),
    "Y": Switch(0, (0, 1), "whether a long break hangs up", effect=False),
    "&C": Switch(1, (0, 1), "carrier detect: 0 always on, 1 follows the carrier"),
    "&D": Switch(2, (0, 1, 2, 3), "when DTR goes: 0 nothing, 1 escape, 2 hang up, 3 reset"),
    "&G": Switch(0, (0, 1, 2), "guard tone", effect=False),
    "&J": Switch(0, (0, 1), "kind of telephone socket", effect=False),
    "&K": Switch(
        3,
        (0, 3, 4, 5),
        "flow control: 0 none, 3 RTS/CTS, 4 XON/XOFF, 5 and passed on: another name for +IFC",
    ),
    "&L": Switch(0, (0,), "a dialled line", effect=False),
    "&M": Switch(0, (0,), "an asynchronous port", effect=False),
    "&P": Switch(0, (0, 1, 2, 3), "lengths of dial pulses", effect=False),
    "&Q": Switch(5, tuple(range(10)), "how errors are controlled", effect=False),
    "&R": Switch(0, (0, 1), "CTS follows RTS (0) or is always on (1)", effect=False),
    "&S": Switch(0, (0, 1), "DSR always on (0) or with the call (1)", effect=False),
    "&T": Switch(
        4, (0, 4, 5), "self-test: end it (0), let the other end (4) or not (5)", effect=False
    ),
    "&U": Switch(0, (0, 1), "trellis coding", effect=False),
    "&X": Switch(0, (0,), "a clock of its own", effect=False),
    "&Y": Switch(0, (0, 1), "profile after switching on", effect=False),
    "\\G": Switch(0, (0, 1), "XON/XOFF between the modems", effect=False),
    "\\J": Switch(0, (0, 1), "whether the port takes the line's rate", effect=False),
    "\\K": Switch(5, tuple(range(6)), "how a break is passed on", effect=False),
    "\\N": Switch(3, tuple(range(8)), "how errors are controlled", effect=False),
    "\\Q": Switch(
        3,
        (0, 1, 2, 3),
        "flow control: 0 none, 1 XON/XOFF, 2 CTS only, 3 RTS/CTS: another name for +IFC",
    ),
    "\\V": Switch(0, (0, 1, 2), "whether CONNECT names the error control", effect=False),
    "\\X": Switch(0, (0,), "XON and XOFF of the terminal go no further", effect=False),
    "%C": Switch(3, (0, 1, 2, 3), "compression", effect=False),
    "%E": Switch(2, (0, 1, 2, 3), "training again on a bad line", effect=False),
}
ALIASES: Mapping[str, Mapping[int, tuple[Value, ...]]] = {
    "&K": {0: (0, 0), 3: (2, 2), 4: (1, 1), 5: (3, 1)},
    "\\Q": {0: (0, 0), 1: (1, 1), 2: (0, 2), 3: (2, 2)},
}
"""Switches that are another name for some values of +IFC."""


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric value of a ``+`` parameter."""

    default: int
    spans: tuple[tuple[int, int], ...]
    missing: int | None = None
    """What it is set to where no value is given; None: it stays as it is."""

    def parse(self, text: str) -> Value:
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f"{text!r} is no number")
        value = int(text)
        if not any(low <= value <= high for low, high in self.spans):
            raise ValueError(f"{value} is out of range")
        return value

    def __str__(self) -> str:
        spans = (str(low) if low == high else f"{low}-{high}" for low, high in self.spans)
        return ",".join(spans)


@dataclass(frozen=True, slots=True)
class Word:
    """A value of a ``+`` parameter that is one of some words, with or without quotes."""

    default: str
    words: tuple[str, ...]
    missing: None = None

    def parse(self, text: str) -> Value:
        word = text.strip('"').upper()
        if word not in self.words:
            raise ValueError(f"{text!r} is not known")
        return word

    def __str__(self) -> str:
        return ",".join(self.words)


def _each(*values: int) -> tuple[tuple[int, int], ...]:
    return tuple((value, value) for value in values)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A ``+`` parameter (V.250 5.4.4).

    What a value that is not given means, the definition of each is to say (5.4.4.2). Most do not: there it
    stays as it was, as the manuals of chip sets have it.
    """

    fields: tuple[Number | Word, ...]
    help: str
    effect: bool = True
    bare: bool = False
    """Reported without its name and without parentheses, as T.31 has it for +FCLASS."""
    gap: str = " "
    """What stands behind the colon of a report: a space, but not in 6.2.10 to 6.2.12."""

    def head(self, name: str) -> str:
        """How a report begins."""
        return "" if self.bare else f"{name}:{self.gap}"


_RATES = (0, 300, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)
_LINE_RATE = Number(0, ((0, 0), (300, 56000)), missing=0)
_OFF_OR_ON = Number(0, _each(0, 1))

PARAMETERS: Mapping[str, Parameter] = {
    "+FCLASS": Parameter((Number(0, _each(0)),), "service class: data (0) only", bare=True),
    "+IPR": Parameter(
        (Number(0, _each(*_RATES), missing=0),),
        "rate of the port in bit/s as reports have it; 0: what the program has set, and +ICF=0",
        gap="",
    ),
    "+IFC": Parameter(
        (Number(2, ((0, 3),)), Number(2, ((0, 2),))),
        "flow control: how the terminal stops the modem, how the modem the terminal",
        gap="",
    ),
    "+ICF": Parameter(
        (Number(3, ((0, 6),)), Number(3, ((0, 3),))),
        "character format and parity",
        effect=False,
        gap="",
    ),
    "+ILRR": Parameter((_OFF_OR_ON,), "report before CONNECT: rate of the port"),
    "+MS": Parameter(
        (
            Word("V34", tuple(CARRIERS)),
            Number(1, _each(0, 1), missing=1),
            *(_LINE_RATE,) * 4,
        ),
        "modulation, whether older ones will do, lowest and highest rate sent, and received",
    ),
    "+MR": Parameter((Number(0, ((0, 2),)),), "reports before CONNECT: modulation and rate"),
    "+ES": Parameter(
        (Number(3, ((0, 4),)), Number(0, ((0, 4),)), Number(2, ((0, 6),))),
        "error control: request, fallback, fallback when answering",
        effect=False,
    ),
    "+ER": Parameter((_OFF_OR_ON,), "report before CONNECT: error control, which is NONE"),
    # Of these four the defaults are those that V.250 recommends (6.5.2 to 6.5.7).
    "+EB": Parameter(
        (Number(1, ((0, 3),)), _OFF_OR_ON, Number(30, ((0, 254),))),
        "how a break is passed on",
        effect=False,
    ),
    "+EFCS": Parameter((Number(0, ((0, 2),)),), "length of V.42's checksum", effect=False),
    "+ETBM": Parameter(
        (Number(1, ((0, 2),)), Number(1, ((0, 2),)), Number(20, ((0, 30),))),
        "what becomes of data on its way when the call ends",
        effect=False,
    ),
    "+EWIND": Parameter(
        (Number(15, ((1, 127),)), Number(0, ((0, 127),), missing=0)),
        "V.42's window, sent and received",
        effect=False,
    ),
    "+DS": Parameter(
        (
            Number(3, ((0, 3),)),
            Number(0, _each(0, 1)),
            Number(512, ((512, 65535),)),
            Number(6, ((6, 250),)),
        ),
        "compression: direction, whether required, codewords, string",
        effect=False,
    ),
    "+DR": Parameter((_OFF_OR_ON,), "report before CONNECT: compression, which is NONE"),
}
