"""What a modem can be set to: S registers, switches, ``+`` parameters, and where they are stored.

Values and their ranges only: how a command says them is in ``command_line``, what they do in ``modem``.
A value that is refused raises ``ValueError`` and leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lab.telephony.modulation import CARRIERS, Offer, offer

Value: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class Register:
    """An S register (V.250 5.3.2)."""

    default: int
    low: int
    high: int
    help: str


# V.250 has S6 to 10 only (6.3.9), and S10 to 254 (6.3.12). The wider ranges, the defaults of S7 and S10, and
# S1, S2, S9, S11 and S12 are of Hayes; V.250 5.8.1 has nothing against them.
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
    9: Register(6, 1, 255, "tenths of a second of carrier before it counts; without effect"),
    10: Register(
        14, 1, 255, "tenths of a second from loss of carrier to hanging up; without effect"
    ),
    11: Register(95, 50, 255, "milliseconds of a dialled tone; without effect"),
    12: Register(50, 0, 255, "fiftieths of a second of silence around the escape characters"),
}
# What a terminal needs to be understood at all comes back by Z, whatever was stored (a Hayes habit).
_VOLATILE = (1, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Switch:
    """A basic command with a number (V.250 5.3.1)."""

    default: int
    values: tuple[int, ...]
    help: str


SWITCHES: Mapping[str, Switch] = {
    "E": Switch(1, (0, 1), "echo of command lines: 0 off, 1 on"),
    "L": Switch(1, (0, 1, 2, 3), "loudness of the speaker; without effect"),
    "M": Switch(1, (0, 1, 2, 3), "when the speaker is on; without effect"),
    "Q": Switch(0, (0, 1, 2), "result codes: 0 sent, 1 not, 2 not while answering"),
    "V": Switch(1, (0, 1), "result codes as numbers (0) or words (1)"),
    "X": Switch(
        4, (0, 1, 2, 3, 4), "rates and call progress: dial tone by 2 and 4, busy by 3 and 4"
    ),
    "&C": Switch(1, (0, 1), "carrier detect: 0 always on, 1 follows the carrier"),
    "&D": Switch(2, (0, 1, 2, 3), "when DTR goes: 0 nothing, 1 escape, 2 hang up, 3 reset"),
    "&K": Switch(
        3, (0, 3, 4), "flow control: 0 none, 3 RTS/CTS, 4 XON/XOFF: another name for +IFC"
    ),
    "&R": Switch(0, (0, 1), "CTS follows RTS (0) or is always on (1); without effect"),
    "&S": Switch(0, (0, 1), "DSR always on (0) or with the call (1); without effect"),
}
_FLOW: Mapping[int, tuple[Value, ...]] = {0: (0, 0), 3: (2, 2), 4: (1, 1)}


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

    What a value that is not given means, the definition of each is to say (5.4.4.2). Those of +IFC, +ICF,
    +ES and +DS do not: there it stays as it was, as the manuals of chip sets have it.
    """

    fields: tuple[Number | Word, ...]
    help: str
    bare: bool = False
    """Reported without its name and without parentheses, as T.31 has it for +FCLASS."""
    gap: str = " "
    """What stands behind the colon of a report: a space, but not in 6.2.10 to 6.2.12."""

    def head(self, name: str) -> str:
        """How a report begins."""
        return "" if self.bare else f"{name}:{self.gap}"


_RATES = (0, 300, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)
_LINE_RATE = Number(0, ((0, 0), (300, 56000)), missing=0)

PARAMETERS: Mapping[str, Parameter] = {
    "+FCLASS": Parameter((Number(0, _each(0)),), "service class: data (0) only", bare=True),
    "+IPR": Parameter(
        (Number(0, _each(*_RATES), missing=0),),
        "rate of the terminal in bit/s, 0: any, and then +ICF=0 too; without effect",
        gap="",
    ),
    "+IFC": Parameter(
        (Number(2, ((0, 3),)), Number(2, ((0, 2),))),
        "flow control: how the terminal stops the modem, how the modem the terminal",
        gap="",
    ),
    "+ICF": Parameter(
        (Number(3, ((0, 6),)), Number(3, ((0, 3),))),
        "character format and parity; without effect",
        gap="",
    ),
    "+ES": Parameter(
        (Number(3, ((0, 4),)), Number(0, ((0, 4),)), Number(2, ((0, 6),))),
        "error control: request, fallback, fallback when answering; without effect",
    ),
    "+DS": Parameter(
        (
            Number(3, ((0, 3),)),
            Number(0, _each(0, 1)),
            Number(512, ((512, 65535),)),
            Number(6, ((6, 250),)),
        ),
        "data compression: direction, whether required, codewords, string; without effect",
    ),
    "+MS": Parameter(
        (
            Word("V34", tuple(CARRIERS)),
            Number(1, _each(0, 1), missing=1),
            *(_LINE_RATE,) * 4,
        ),
        "modulation, whether older ones will do, lowest and highest rate sent, and received",
    ),
}


@dataclass(slots=True)
class Settings:
    """One set of values: the active one, or a stored profile."""

    registers: dict[int, int] = field(
        default_factory=lambda: {number: each.default for number, each in REGISTERS.items()}
    )
    switches: dict[str, int] = field(
        default_factory=lambda: {
            name: each.default for name, each in SWITCHES.items() if name != "&K"
        }
    )
    parameters: dict[str, tuple[Value, ...]] = field(
        default_factory=lambda: {
            name: tuple(each.default for each in parameter.fields)
            for name, parameter in PARAMETERS.items()
        }
    )
    tone: bool = True
    """Whether ``D`` dials by tones until told otherwise (commands ``T`` and ``P``)."""

    def register(self, number: int) -> int:
        return self.registers[number]

    def switch(self, name: str) -> int:
        return self.switches[name]

    def set_register(self, number: int, value: int) -> None:
        register = REGISTERS.get(number)
        if register is None or not register.low <= value <= register.high:
            raise ValueError(f"S{number}={value}")
        self.registers[number] = value

    def set_switch(self, name: str, value: int) -> None:
        switch = SWITCHES.get(name)
        if switch is None or value not in switch.values:
            raise ValueError(f"{name}{value}")
        if name == "&K":  # another name for some of what +IFC says
            self.parameters["+IFC"] = _FLOW[value]
        else:
            self.switches[name] = value

    def set_parameter(self, name: str, texts: list[str]) -> None:
        """Set what is given, and what is not given to what that means."""
        parameter = PARAMETERS.get(name)
        if parameter is None or len(texts) > len(parameter.fields):
            raise ValueError(name)
        values = list(self.parameters[name])
        given = [*texts, *[""] * len(parameter.fields)]
        for at, (kind, text) in enumerate(zip(parameter.fields, given, strict=False)):
            if text:
                values[at] = kind.parse(text)
            elif kind.missing is not None:
                values[at] = kind.missing
        self.parameters[name] = tuple(values)
        if name == "+IPR" and not self.terminal_rate:
            # Of a rate that is found out the format is found out, too (V.250 6.2.10).
            self.parameters["+ICF"] = (0, *self.parameters["+ICF"][1:])

    def set(self, name: str, value: Value) -> None:
        """Set by the name of the command: ``S7``, ``&C``, ``+MS`` (values parted by commas)."""
        if name.startswith("+"):
            self.set_parameter(name, str(value).split(","))
        elif name.startswith("S") and name[1:].isdigit():
            self.set_register(int(name[1:]), int(value))
        else:
            self.set_switch(name, int(value))

    @property
    def dial_tone(self) -> bool:
        """Whether the modem waits for dial tone before it dials."""
        return self.switches["X"] in (2, 4)

    @property
    def busy_tone(self) -> bool:
        """Whether the modem listens to what the exchange says to a dialled number."""
        return self.switches["X"] in (3, 4)

    @property
    def terminal_rate(self) -> int:
        return int(self.parameters["+IPR"][0])

    @property
    def flow_control(self) -> tuple[int, int]:
        """By the terminal, and by the modem."""
        by_terminal, by_modem = map(int, self.parameters["+IFC"])
        return by_terminal, by_modem

    @property
    def offer(self) -> Offer:
        return offer(self.parameters["+MS"])

    def copy(self) -> Settings:
        return Settings(dict(self.registers), dict(self.switches), dict(self.parameters), self.tone)

    def stored(self) -> Settings:
        """A copy fit to be stored, without what is never stored."""
        copy = self.copy()
        for number in _VOLATILE:
            copy.registers[number] = REGISTERS[number].default
        return copy


PROFILES = 2
NUMBERS = 4


class Memory:
    """What outlives a reset: the stored profiles and telephone numbers."""

    def __init__(self, factory: Mapping[str, Value]) -> None:
        self.factory = Settings()
        for name, value in factory.items():
            self.factory.set(name, value)
        self.profiles = [self.factory.stored() for _ in range(PROFILES)]
        self.numbers = [""] * NUMBERS
        self.last_dialled = ""
