"""Information texts about settings: ``+X?``, ``+X=?`` (V.250 5.4.4, 5.7.3) and ``&V``."""

from __future__ import annotations

import textwrap

from lab.telephony.repertoire import PARAMETERS
from lab.telephony.settings import Memory, Settings

_WIDTH = 78
"""Of a line for a person."""


def parameter(name: str, settings: Settings) -> str:
    """The values of a parameter."""
    return PARAMETERS[name].head(name) + _values(name, settings)


def ranges(name: str) -> str:
    """What a parameter may be set to."""
    asked = PARAMETERS[name]
    lists = [str(each) for each in asked.fields]
    return asked.head(name) + ",".join(lists if asked.bare else (f"({each})" for each in lists))


def overview(settings: Settings, memory: Memory) -> str:
    """All there is, for a person to read."""
    lines = ["ACTIVE PROFILE:", *_profile(settings)]
    for number, profile in enumerate(memory.profiles):
        lines += ["", f"STORED PROFILE {number}:", *_profile(profile)]
    lines += ["", "TELEPHONE NUMBERS:"]
    lines += [f"{at}={number}" for at, number in enumerate(memory.numbers)]
    return "\n".join(lines)


def _values(name: str, settings: Settings) -> str:
    return ",".join(str(value) for value in settings.parameters[name])


def _profile(settings: Settings) -> list[str]:
    mode = "T" if settings.tone else "P"
    switches = [f"{name}{value}" for name, value in settings.switches.items()]
    registers = [f"S{number:02}:{value:03}" for number, value in settings.registers.items()]
    parameters = [f"{name}={_values(name, settings)}" for name in settings.parameters]
    return [
        line
        for words in ([*switches, mode], registers, parameters)
        for line in textwrap.wrap(" ".join(words), _WIDTH, break_on_hyphens=False)
    ]
