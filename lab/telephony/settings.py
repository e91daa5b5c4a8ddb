"""What a modem is set to: a value for each entry of ``repertoire``, and how a report shows it.

Values only: how a command says one is in ``command_line``, what it does in ``modem``. A value that is refused
raises ``ValueError`` and leaves everything as it was.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lab.telephony.modulation import Offer, offer
from lab.telephony.repertoire import (
    ALIASES,
    PARAMETERS,
    REGISTERS,
    REPORT_BITS,
    SETTINGS,
    SWITCHES,
    VOLATILE,
    Value,
)

_WIDTH = 78
"""Of a line for a person."""


@dataclass(slots=True)
class Settings:
    """One set of values: the active one, or a stored profile."""

    values: dict[str, tuple[Value, ...]] = field(
        default_factory=lambda: {
            name: each.defaults for name, each in SETTINGS.items() if name not in ALIASES
        }
    )
    tone: bool = True
    """Whether ``D`` dials by tones until told otherwise (commands ``T`` and ``P``)."""
    own: dict[str, int] = field(default_factory=dict)
    """The numbers of a family's own commands; what they mean is among ``values``."""
    units_s: Mapping[str, float] = field(default_factory=dict)
    """What a family's registers count, in seconds, where that is another unit than the lab's."""

    def __getitem__(self, name: str) -> int:
        """The number that a register, a switch or the first place of a parameter has."""
        return int(self.values[name][0])

    def set(self, name: str, *texts: str) -> None:
        """Set what is given, and what is not given to what that means."""
        if name not in SETTINGS:
            raise ValueError(name)
        if name in ALIASES:
            (value,) = SETTINGS[name].parse(texts, (0,))
            self.values["+IFC"] = ALIASES[name][int(value)]
            return
        self.values[name] = SETTINGS[name].parse(texts, self.values[name])

        if name == "+IPR" and not self["+IPR"]:
            # Of a rate that is found out the format is found out, too (V.250 6.2.10).
            self.values["+ICF"] = (0, *self.values["+ICF"][1:])
        elif name == "S95":
            for report, bit in REPORT_BITS.items():
                self.values[report] = (int(bool(self["S95"] & bit)),)
        elif bit := REPORT_BITS.get(name, 0):
            self.values["S95"] = (self["S95"] & ~bit | bit * bool(self[name]),)

    @property
    def dial_tone(self) -> bool:
        """Whether the modem waits for dial tone before it dials."""
        return self["X"] in (2, 4)

    @property
    def busy_tone(self) -> bool:
        """Whether the modem listens to what the exchange says to a dialled number."""
        return self["X"] in (3, 4)

    @property
    def flow_control(self) -> tuple[int, int]:
        """By the terminal, and by the modem."""
        by_terminal, by_modem = map(int, self.values["+IFC"])
        return by_terminal, by_modem

    @property
    def guard_s(self) -> float:
        """The silence around the escape characters."""
        return self["S12"] / 50

    @property
    def dtr_delay_s(self) -> float:
        """How long DTR has to be off before it counts."""
        return self["S25"] * self.units_s.get("S25", 0.01)

    @property
    def inactivity_s(self) -> float | None:
        """How long a call may carry nothing."""
        return self["S30"] * self.units_s.get("S30", 10.0) or None

    @property
    def offer(self) -> Offer:
        return offer(self.values["+MS"])

    def copy(self) -> Settings:
        return Settings(dict(self.values), self.tone, dict(self.own), self.units_s)

    def stored(self) -> Settings:
        """A copy fit to be stored, without what is never stored."""
        kept = self.copy()
        kept.values |= {name: SETTINGS[name].defaults for name in VOLATILE}
        return kept

    def text(self, name: str) -> str:
        """The values of an entry as a report has them."""
        return ",".join(map(str, self.values[name]))

    def overview(self, lacks: Collection[str] = ()) -> list[str]:
        """Everything, in lines for a person to read (``&V``)."""
        shown = {name: self.text(name) for name in SWITCHES if name in self.values}
        shown |= {name: str(number) for name, number in self.own.items()}
        switches = [name + text for name, text in shown.items() if name not in lacks]
        registers = [f"S{n[1:]:0>2}:{self[n]:03}" for n in REGISTERS if n not in lacks]
        parameters = [f"{n}={self.text(n)}" for n in PARAMETERS if n not in lacks]
        return [
            line
            for words in ([*switches, "T" if self.tone else "P"], registers, parameters)
            for line in textwrap.wrap(" ".join(words), _WIDTH, break_on_hyphens=False)
        ]
