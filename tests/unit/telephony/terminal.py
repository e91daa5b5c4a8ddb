"""A modem on the bench: what goes in by a list of steps, what comes out in one list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from lab.telephony.modem import Modem, State
from lab.telephony.repertoire import Number, Setting, Value
from lab.telephony.result_codes import HAYES, CodeTable
from lab.telephony.signals import Effect, Heard, LineEvent, ToLine, ToTerminal, Trained
from lab.topology.modem_family import ModemFamily


@dataclass(frozen=True)
class Received:
    """Data of the call, from the line."""

    data: bytes


@dataclass(frozen=True)
class Backlog:
    """So many bytes wait for the line."""

    waiting: int


@dataclass(frozen=True)
class PortRate:
    """The rate that the program has set."""

    bit_s: int


Step: TypeAlias = bytes | float | LineEvent | bool | Received | Backlog | PortRate
"""Bytes from the terminal; seconds that pass; an event of the line; DTR on or off; what comes of a call."""


class Bench:
    """Drives a modem by its own clock, as the equipment does."""

    def __init__(
        self,
        *,
        factory: Mapping[str, Value] | None = None,
        table: CodeTable = HAYES,
        family: ModemFamily | None = None,
        bytewise: bool = False,
    ) -> None:
        self.modem = Modem(factory=factory, table=table, family=family)
        self.now = 0.0
        self._bytewise = bytewise

    def do(self, *steps: Step) -> list[Effect]:
        """Everything that came out, with neighbours of one kind joined."""
        effects: list[Effect] = []
        for step in steps:
            effects += self._one(step)
        return joined(effects)

    def say(self, *steps: Step) -> bytes:
        """What the terminal gets."""
        return b"".join(each.data for each in self.do(*steps) if isinstance(each, ToTerminal))

    def _one(self, step: Step) -> list[Effect]:
        match step:
            case bytes():
                portions = [bytes((byte,)) for byte in step] if self._bytewise else [step]
                return [
                    each for data in portions for each in self.modem.from_terminal(data, self.now)
                ]
            case Received(data):
                return self.modem.from_line(data, self.now)
            case Backlog(waiting):
                return self.modem.backlog(waiting, self.now)
            case PortRate(bit_s):
                self.modem.port_bit_s = bit_s
                return []
            case bool():
                return self.modem.dtr(step, self.now)
            case int() | float():
                return self._pass(step)
            case _:
                return self.modem.line(step, self.now)

    def _pass(self, seconds: float) -> list[Effect]:
        end = self.now + seconds
        effects: list[Effect] = []
        while (at := self.modem.wake_at) is not None and at <= end:
            self.now = max(self.now, at)
            effects += self.modem.tick(self.now)
        self.now = end
        return effects + self.modem.tick(end)


def joined(effects: Iterable[Effect]) -> list[Effect]:
    """Join bytes of one direction that follow each other."""
    result: list[Effect] = []
    for effect in effects:
        match result[-1] if result else None, effect:
            case ToTerminal(before, one), ToTerminal(data, other) if one is other:
                result[-1] = ToTerminal(before + data, one)
            case ToLine(before), ToLine(data):
                result[-1] = ToLine(before + data)
            case _:
                result.append(effect)
    return result


_ANSWERED = (b"ATE0A\r", Trained(9600))
WAYS: Mapping[State, tuple[Step, ...]] = {
    State.idle: (b"ATE0\r",),
    State.held: (b"ATE0H1\r",),
    State.tone: (b"ATE0D1\r",),
    State.pause: (b"ATE0X3D1\r",),
    State.quiet: (b"ATE0D1@1\r", Heard.dial_tone),
    State.calling: (b"ATE0X3D1\r", 2.0),
    State.answering: (b"ATE0A\r",),
    State.data: _ANSWERED,
    State.online: (*_ANSWERED, 1.0, b"+++", 1.0),
}
"""How a new modem gets to each state."""


def permits(setting: Setting, value: int) -> bool:
    """Whether the only number of a register or a switch may be this."""
    (number,) = setting.fields
    assert isinstance(number, Number)
    return number.allows(value)


def permitted(setting: Setting) -> list[int]:
    return [value for value in range(256) if permits(setting, value)]
