"""What a modem can be set to: S registers, switches, ``+`` parameters, and where they are stored.

Values only: what there is, and its ranges, is in ``repertoire``; how a command says it in ``command_line``,
what it does in ``modem``. A value that is refused raises ``ValueError`` and leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.telephony.modulation import Offer, offer
from lab.telephony.repertoire import (
    ALIASES,
    PARAMETERS,
    REGISTERS,
    REPORT_BITS,
    SWITCHES,
    VOLATILE,
    Value,
)


@dataclass(slots=True)
class Settings:
    """One set of values: the active one, or a stored profile."""

    registers: dict[int, int] = field(
        default_factory=lambda: {number: each.default for number, each in REGISTERS.items()}
    )
    switches: dict[str, int] = field(
        default_factory=lambda: {
            name: each.default for name, each in SWITCHES.items() if name not in ALIASES
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
        if number == 95:
            for name, bit in REPORT_BITS.items():
                self.parameters[name] = (int(bool(value & bit)),)

    def set_switch(self, name: str, value: int) -> None:
        switch = SWITCHES.get(name)
        if switch is None or value not in switch.values:
            raise ValueError(f"{name}{value}")
        if name in ALIASES:
            self.parameters["+IFC"] = ALIASES[name][value]
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
        if bit := REPORT_BITS.get(name, 0):
            self.registers[95] = self.registers[95] & ~bit | bit * self.reports(name)

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

    def reports(self, name: str) -> bool:
        """Whether what +ILRR and its like ask for is to be reported."""
        return self.parameters[name] != (0,)

    @property
    def dtr_delay_s(self) -> float:
        """How long DTR has to be off before it counts."""
        return self.registers[25] / 100

    @property
    def inactivity_s(self) -> float | None:
        """How long a call may carry nothing."""
        return self.registers[30] * 10 or None

    @property
    def offer(self) -> Offer:
        return offer(self.parameters["+MS"])

    def copy(self) -> Settings:
        return Settings(dict(self.registers), dict(self.switches), dict(self.parameters), self.tone)

    def stored(self) -> Settings:
        """A copy fit to be stored, without what is never stored."""
        copy = self.copy()
        for number in VOLATILE:
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
