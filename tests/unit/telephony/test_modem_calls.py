"""Modems on the exchange, without devices: what a terminal reads of every outcome, and of a whole call."""

from __future__ import annotations

import random

import pytest

from lab.telephony.exchange import Exchange
from lab.telephony.modem import Modem, State
from lab.telephony.signals import Effect, LineEvent, ToTerminal
from lab.telephony.tape import Tape
from lab.topology.telephone import CallRule, Outcome
from tests.unit.telephony.exchange_hall import HMC, LIG, LIG_1

NUMBER = LIG.encode()


class Office:
    """Two modems and an exchange, moved from one time that matters to the next."""

    def __init__(self, *rules: CallRule) -> None:
        self._exchange = Exchange((HMC, LIG_1), rules, random=random.Random(1), tape=Tape())
        self._modems = {line.name: Modem(factory={"E": 0}) for line in (HMC, LIG_1)}
        self._read = dict.fromkeys(self._modems, b"")
        self._now = 0.0

    def replace(self, line: str, modem: Modem) -> None:
        self._modems[line] = modem

    def type(self, line: str, data: bytes) -> None:
        self._perform(line, self._modems[line].from_terminal(data, self._now))

    def wait(self, seconds: float) -> None:
        end = self._now + seconds
        while True:
            times = [self._exchange.wake_at, *(modem.wake_at for modem in self._modems.values())]
            at = min((at for at in times if at is not None), default=end)
            self._now = min(max(at, self._now), end)
            self._tell(self._exchange.tick(self._now))
            for name, modem in self._modems.items():
                self._perform(name, modem.tick(self._now))
            if at >= end:
                return

    def read(self, line: str) -> bytes:
        read, self._read[line] = self._read[line], b""
        return read

    def state(self, line: str) -> State:
        return self._modems[line].state

    def _perform(self, line: str, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ToTerminal):
                self._read[line] += effect.data
            else:
                self._tell(self._exchange.effect(line, effect, self._now))

    def _tell(self, told: list[tuple[str, LineEvent | bytes]]) -> None:
        for line, what in told:
            modem = self._modems[line]
            if isinstance(what, bytes):
                self._perform(line, modem.from_line(what, self._now))
            else:
                self._perform(line, modem.line(what, self._now))


@pytest.mark.parametrize("dial", [b"ATDT%b\r", b"ATX1DT%b\r", b"ATDT%b;D\r"])
def test_call(dial: bytes) -> None:
    """Dial, ring twice, answer, talk, escape, talk again, hang up."""
    office = Office()
    office.type("lig-1", b"ATS0=2\r")
    office.type("hmc", dial % NUMBER)
    office.wait(40.0)
    rings = b"\r\nRING\r\n" * 2
    assert office.read("lig-1") == b"\r\nOK\r\n" + rings + b"\r\nCONNECT 33600\r\n"
    assert office.read("hmc") == b"\r\nCONNECT 33600\r\n"

    office.type("hmc", b"hello")
    office.wait(2.0)
    office.type("hmc", b"+++")
    office.wait(2.0)
    assert office.read("hmc") == b"\r\nOK\r\n"
    office.type("lig-1", b"there")
    office.wait(1.0)
    office.type("hmc", b"ATO\r")
    office.wait(1.0)
    assert office.read("lig-1") == b"hello+++"
    assert office.read("hmc") == b"\r\nCONNECT 33600\r\nthere"

    office.wait(1.0)
    office.type("hmc", b"+++")
    office.wait(1.5)
    office.type("hmc", b"ATH\r")
    office.wait(5.0)
    assert office.read("hmc") == b"\r\nOK\r\n" * 2
    assert office.read("lig-1") == b"+++\r\nNO CARRIER\r\n"
    assert {office.state("hmc"), office.state("lig-1")} == {State.idle}


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (Outcome.no_dialtone, b"NO DIALTONE"),
        (Outcome.busy, b"BUSY"),
        (Outcome.no_answer, b"NO ANSWER"),
        (Outcome.unobtainable, b"NO CARRIER"),
        (Outcome.voice, b"NO CARRIER"),
        (Outcome.training_fails, b"NO CARRIER"),
    ],
)
def test_outcome(outcome: Outcome, result: bytes) -> None:
    office = Office(CallRule(outcome=outcome))
    office.type("lig-1", b"ATS0=1\r")
    office.type("hmc", b"ATDT%b\r" % NUMBER)
    office.wait(120.0)
    assert office.read("hmc") == b"\r\n" + result + b"\r\n"
    # The same line can call again at once.
    office.type("hmc", b"A/")
    office.wait(120.0)
    assert office.read("hmc") == b"\r\n" + result + b"\r\n"


def test_call_from_a_drop() -> None:
    office = Office(CallRule(outcome=Outcome.line_drops, after_s=3.0))
    office.type("lig-1", b"ATS0=1\r")
    office.type("hmc", b"ATDT%b\r" % NUMBER)
    office.wait(60.0)
    assert office.read("hmc") == b"\r\nCONNECT 33600\r\n\r\nNO CARRIER\r\n"


def test_given_up() -> None:
    """The called end stops ringing when the caller's terminal aborts."""
    office = Office()
    office.type("hmc", b"ATDT%b\r" % NUMBER)
    office.wait(12.0)
    office.type("hmc", b" ")
    office.wait(60.0)
    assert office.read("hmc") == b"\r\nNO CARRIER\r\n"
    assert office.read("lig-1") == b"\r\nRING\r\n" * 2
    office.type("lig-1", b"ATS1?\r")
    assert office.read("lig-1") == b"\r\n000\r\n\r\nOK\r\n"
