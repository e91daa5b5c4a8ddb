"""What there is to set, with defaults and ranges: tables, from which commands, ``&V`` and pages are made.

What is without ``effect`` is taken all the same, since initialisation strings for real modems are full of
it; docs/at-settings.md says why it has none. Ranges and defaults that V.250 does not have are those of
Rockwell's and Conexant's chip sets, which most modems were made of, and of Hayes. No values are kept here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lab.telephony.modulation import CARRIERS

Value: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric value."""

    default: int
    allowed: str
    """As ``+X=?`` has it (V.250 5.7.3): ``0-3``, ``0,1``, ``0,300-56000``."""
    missing: int | None = None
    """What it is set to where no value is given; None: it stays as it is."""

    def allows(self, value: int) -> bool:
        spans = (span.partition("-") for span in self.allowed.split(","))
        return any(int(low) <= value <= int(high or low) for low, _, high in spans)

    def parse(self, text: str) -> Value:
        if not (text.isascii() and text.isdigit() and self.allows(int(text))):
            raise ValueError(f"{text!r} is none of {self.allowed}")
        return int(text)


@dataclass(frozen=True, slots=True)
class Word:
    """A value that is one of some words, with or without quotes."""

    default: str
    allowed: str
    """Parted by commas."""
    missing: None = None

    def parse(self, text: str) -> Value:
        word = text.strip('"').upper()
        if word not in self.allowed.split(","):
            raise ValueError(f"{text!r} is none of {self.allowed}")
        return word


@dataclass(frozen=True, slots=True)
class Setting:
    """What one command sets: a number, or by a ``+`` parameter several values.

    What a value that is not given means, the definition of each parameter is to say (V.250 5.4.4.2). Most do
    not: there it stays as it was, as the manuals of chip sets have it.
    """

    fields: tuple[Number | Word, ...]
    help: str
    effect: bool = True
    bare: bool = False
    """Reported without its name and without parentheses, as T.31 has it for +FCLASS."""
    gap: str = " "
    """What stands behind the colon of a report: a space, but not in 6.2.10 to 6.2.12."""

    @property
    def defaults(self) -> tuple[Value, ...]:
        return tuple(each.default for each in self.fields)

    def parse(self, texts: Sequence[str], before: Sequence[Value]) -> tuple[Value, ...]:
        """What ``before`` becomes by the values that are given; raises ValueError."""
        if len(texts) > len(self.fields):
            raise ValueError(f"{len(texts)} values for {len(self.fields)}")
        given = [*texts, *[""] * len(self.fields)]
        values = list(before)
        for at, kind in enumerate(self.fields):
            if given[at]:
                values[at] = kind.parse(given[at])
            elif kind.missing is not None:
                values[at] = kind.missing
        return tuple(values)


def _number(default: int, allowed: str, help: str) -> Setting:
    return Setting((Number(default, allowed),), help)


def _inert(default: int, allowed: str, help: str) -> Setting:
    return Setting((Number(default, allowed),), help, effect=False)


# V.250 has S6 to 10 only (6.3.9), and S10 to 254 (6.3.12). The wider ranges, the defaults of S7 and S10, and
# S1, S2, S9 and those from S11 on are of Hayes and of chip sets; V.250 5.8.1 has nothing against them.
REGISTERS: Mapping[str, Setting] = {
    "S0": _number(0, "0-255", "rings until the modem answers by itself; 0: never"),
    "S1": _number(0, "0-255", "rings counted so far; not stored"),
    "S2": _number(43, "0-255", "escape character; above 127: none"),
    "S3": _number(13, "0-127", "character that ends a command line; not stored"),
    "S4": _number(10, "0-127", "character that follows S3 in responses; not stored"),
    "S5": _number(8, "0-127", "character that takes back the last one; not stored"),
    "S6": _number(2, "2-255", "seconds to wait before dialling blindly"),
    "S7": _number(50, "1-255", "seconds to wait for the carrier, and for what W and @ wait for"),
    "S8": _number(2, "0-255", "seconds that a comma pauses dialling"),
    "S9": _inert(6, "1-255", "tenths of a second of carrier before it counts"),
    "S10": _inert(14, "1-255", "tenths of a second from loss of carrier to hanging up"),
    "S11": _inert(95, "50-255", "milliseconds of a dialled tone"),
    "S12": _number(50, "0-255", "fiftieths of a second of silence around the escape characters"),
    "S18": _inert(0, "0-255", "seconds of a self-test"),
    "S25": _number(5, "0-255", "hundredths of a second of B0 before DTR counts as gone"),
    "S26": _inert(1, "0-255", "hundredths of a second from RTS to CTS"),
    "S30": _number(0, "0-255", "tens of seconds without data before hanging up; 0: never"),
    "S32": _inert(17, "17", "character for XON"),
    "S33": _inert(19, "19", "character for XOFF"),
    "S36": _inert(7, "0-7", "what to do when V.42 fails"),
    "S37": _inert(0, "0-19", "modulation to try first"),
    "S38": _inert(20, "0-255", "seconds to wait for data on its way when hanging up"),
    "S46": _inert(138, "0-138", "whether V.42 goes with compression"),
    "S48": _inert(7, "0-128", "how V.42 is agreed on"),
    "S82": _inert(128, "0-255", "how a break is passed on"),
    "S95": _number(0, "0-255", "sum of 1: CONNECT has the line's rate, 4: +MR, 8: +ER, 32: +DR"),
}
# What a terminal needs to be understood at all comes back by Z, whatever was stored (a Hayes habit).
VOLATILE = ("S1", "S3", "S4", "S5")
REPORT_BITS: Mapping[str, int] = {"+MR": 4, "+ER": 8, "+DR": 32}
"""Parameters that are another name for a bit of S95."""


SWITCHES: Mapping[str, Setting] = {
    "B": _inert(0, "0,1", "below 2400 bit/s ITU's modulations (0) or Bell's (1)"),
    "C": _inert(1, "1", "carrier while connected"),
    "E": _number(1, "0,1", "echo of command lines: 0 off, 1 on"),
    "F": _inert(1, "0,1", "by maker: modulation, or echo of data"),
    "L": _inert(1, "0-3", "loudness of the speaker"),
    "M": _inert(1, "0-3", "when the speaker is on"),
    "N": _inert(1, "0,1", "whether a modulation is looked for"),
    "Q": _number(0, "0-2", "result codes: 0 sent, 1 not, 2 not while answering"),
    "V": _number(1, "0,1", "result codes as numbers (0) or words (1)"),
    "W": _number(2, "0-2", "rate in CONNECT: the port's by 0 and 1, the line's by 2; 1: reports"),
    "X": _number(4, "0-4", "rates and call progress: dial tone by 2 and 4, busy by 3 and 4"),
    "Y": _inert(0, "0,1", "whether a long break hangs up"),
    "&C": _number(1, "0,1", "carrier detect: 0 always on, 1 follows the carrier"),
    "&D": _number(2, "0-3", "when DTR goes: 0 nothing, 1 escape, 2 hang up, 3 reset"),
    "&G": _inert(0, "0-2", "guard tone"),
    "&J": _inert(0, "0,1", "kind of telephone socket"),
    "&K": _number(
        3,
        "0,3,4,5",
        "flow control: 0 none, 3 RTS/CTS, 4 XON/XOFF, 5 and passed on: another name for +IFC",
    ),
    "&L": _inert(0, "0", "a dialled line"),
    "&M": _inert(0, "0", "an asynchronous port"),
    "&P": _inert(0, "0-3", "lengths of dial pulses"),
    "&Q": _inert(5, "0-9", "how errors are controlled"),
    "&R": _inert(0, "0,1", "CTS follows RTS (0) or is always on (1)"),
    "&S": _inert(0, "0,1", "DSR always on (0) or with the call (1)"),
    "&T": _inert(4, "0,4,5", "self-test: end it (0), let the other end (4) or not (5)"),
    "&U": _inert(0, "0,1", "trellis coding"),
    "&X": _inert(0, "0", "a clock of its own"),
    "&Y": _inert(0, "0,1", "profile after switching on"),
    "\\G": _inert(0, "0,1", "XON/XOFF between the modems"),
    "\\J": _inert(0, "0,1", "whether the port takes the line's rate"),
    "\\K": _inert(5, "0-5", "how a break is passed on"),
    "\\N": _inert(3, "0-7", "how errors are controlled"),
    "\\Q": _number(
        3, "0-3", "flow control: 0 none, 1 XON/XOFF, 2 CTS only, 3 RTS/CTS: another name for +IFC"
    ),
    "\\V": _inert(0, "0-2", "whether CONNECT names the error control"),
    "\\X": _inert(0, "0", "XON and XOFF of the terminal go no further"),
    "%C": _inert(3, "0-3", "compression"),
    "%E": _inert(2, "0-3", "training again on a bad line"),
}
ALIASES: Mapping[str, Mapping[int, tuple[Value, ...]]] = {
    "&K": {0: (0, 0), 3: (2, 2), 4: (1, 1), 5: (3, 1)},
    "\\Q": {0: (0, 0), 1: (1, 1), 2: (0, 2), 3: (2, 2)},
}
"""Switches that are another name for some values of +IFC."""


_PORT_RATES = "0,300,1200,2400,4800,9600,19200,38400,57600,115200,230400"
_LINE_RATE = Number(0, "0,300-56000", missing=0)
_OFF_OR_ON = Number(0, "0,1")

PARAMETERS: Mapping[str, Setting] = {
    "+FCLASS": Setting((Number(0, "0"),), "service class: data (0) only", bare=True),
    "+IPR": Setting(
        (Number(0, _PORT_RATES, missing=0),),
        "rate of the port in bit/s as reports have it; 0: what the program has set, and +ICF=0",
        gap="",
    ),
    "+IFC": Setting(
        (Number(2, "0-3"), Number(2, "0-2")),
        "flow control: how the terminal stops the modem, how the modem the terminal",
        gap="",
    ),
    "+ICF": Setting(
        (Number(3, "0-6"), Number(3, "0-3")), "character format and parity", effect=False, gap=""
    ),
    "+ILRR": Setting((_OFF_OR_ON,), "report before CONNECT: rate of the port"),
    "+MS": Setting(
        (Word("V34", ",".join(CARRIERS)), Number(1, "0,1", missing=1), *(_LINE_RATE,) * 4),
        "modulation, whether older ones will do, lowest and highest rate sent, and received",
    ),
    "+MR": Setting((Number(0, "0-2"),), "reports before CONNECT: modulation and rate"),
    "+ES": Setting(
        (Number(3, "0-4"), Number(0, "0-4"), Number(2, "0-6")),
        "error control: request, fallback, fallback when answering",
        effect=False,
    ),
    "+ER": Setting((_OFF_OR_ON,), "report before CONNECT: error control, which is NONE"),
    # Of these four the defaults are those that V.250 recommends (6.5.2 to 6.5.7).
    "+EB": Setting(
        (Number(1, "0-3"), _OFF_OR_ON, Number(30, "0-254")),
        "how a break is passed on",
        effect=False,
    ),
    "+EFCS": Setting((Number(0, "0-2"),), "length of V.42's checksum", effect=False),
    "+ETBM": Setting(
        (Number(1, "0-2"), Number(1, "0-2"), Number(20, "0-30")),
        "what becomes of data on its way when the call ends",
        effect=False,
    ),
    "+EWIND": Setting(
        (Number(15, "1-127"), Number(0, "0-127", missing=0)),
        "V.42's window, sent and received",
        effect=False,
    ),
    "+DS": Setting(
        (Number(3, "0-3"), Number(0, "0,1"), Number(512, "512-65535"), Number(6, "6-250")),
        "compression: direction, whether required, codewords, string",
        effect=False,
    ),
    "+DR": Setting((_OFF_OR_ON,), "report before CONNECT: compression, which is NONE"),
}

SETTINGS: Mapping[str, Setting] = {**SWITCHES, **REGISTERS, **PARAMETERS}
"""All there is to set, by the name of its command."""
