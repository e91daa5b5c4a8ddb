"""An exchange with its lines for tests: moves time from event to event and keeps what is told when."""

from __future__ import annotations

import random
from collections.abc import Sequence

from lab.telephony.exchange import Exchange
from lab.telephony.signals import DialDigits, Effect, Heard, Hook, LineEvent, ToLine, Trained
from lab.telephony.tape import Tape
from lab.topology.telephone import CallRule, ModemLine

LIG = "18005550100"


def modem_line(name: str, number: str, rate_bit_s: int, delay_s: float) -> ModemLine:
    """The exchange does not ask where its modem is."""
    return ModemLine(
        name=name, node=name, device="", number=number, rate_bit_s=rate_bit_s, delay_s=delay_s
    )


HMC = modem_line("hmc", "5550001", 33600, 0.01)
SLOW = modem_line("hmc-2", "5550002", 9600, 0.3)
LIG_1 = modem_line("lig-1", LIG, 33600, 0.02)
LIG_2 = modem_line("lig-2", LIG, 28800, 0.02)
LINES = (HMC, SLOW, LIG_1, LIG_2)


class Hall:
    """Drives an exchange."""

    def __init__(
        self,
        rules: Sequence[CallRule] = (),
        lines: Sequence[ModemLine] = LINES,
        *,
        tape: Tape | None = None,
        seed: int = 1,
    ) -> None:
        self.exchange = Exchange(lines, rules, random=random.Random(seed), tape=tape or Tape())
        self.now = 0.0
        self.told: list[tuple[float, str, LineEvent | bytes]] = []
        self.ticks = 0

    def does(self, line: str, *effects: Effect) -> None:
        for effect in effects:
            self._keep(self.exchange.effect(line, effect, self.now))

    def run_until(self, at: float) -> None:
        """Tick whenever the exchange wants it, and never else."""
        while (wake_at := self.exchange.wake_at) is not None and wake_at <= at:
            assert wake_at >= self.now, "it asks for the past"
            self.now = wake_at
            self.ticks += 1
            self._keep(self.exchange.tick(self.now))
            following = self.exchange.wake_at
            assert following is None or following > wake_at, "it would never sleep"
        self.now = at

    def wait(self, seconds: float) -> None:
        self.run_until(self.now + seconds)

    def _keep(self, told: list[tuple[str, LineEvent | bytes]]) -> None:
        self.told += [(self.now, line, what) for line, what in told]

    def heard(self, line: str) -> list[LineEvent]:
        return [w for _, name, w in self.told if name == line and not isinstance(w, bytes)]

    def when(self, line: str, event: Heard | type[Trained]) -> list[float]:
        told = ((at, what) for at, name, what in self.told if name == line)
        return [at for at, what in told if event in (what, type(what))]

    def data(self, line: str) -> bytes:
        return b"".join(w for _, name, w in self.told if name == line and isinstance(w, bytes))

    # What most calls do.

    def dial(self, line: str, number: str) -> None:
        self.does(line, Hook.off)
        self.wait(0.5)
        self.does(line, DialDigits(number))
        self.wait(0.3)

    def connect(self, caller: str = "hmc", called: str = "lig-1", number: str = LIG) -> int:
        """Returns the rate."""
        self.dial(caller, number)
        self.does(called, Hook.answer)
        self.wait(15)
        (trained,) = (event for event in self.heard(caller) if isinstance(event, Trained))
        return trained.rate_bit_s

    def send(self, line: str, data: bytes) -> None:
        self.does(line, ToLine(data))

    def hang_up(self, line: str) -> None:
        self.does(line, Hook.on)
