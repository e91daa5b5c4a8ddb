"""The modem by vectors, whole and byte by byte; its tables; what it costs in data state."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import get_args

import pytest

from lab.telephony.commands import CallRequest, Originate
from lab.telephony.dialling import parse_dial
from lab.telephony.modem import KEPT_WHILE_ESCAPED, Modem, State
from lab.telephony.repertoire import ALIASES, COMMANDS, REGISTERS, SETTINGS, SWITCHES
from lab.telephony.result_codes import HAYES, IBM, ResultCode
from lab.telephony.signals import Effect, Heard, ToLine, ToTerminal, Trained
from lab.telephony.states import COMMAND, TRANSITIONS, Signal, Trigger, kind
from tests.unit.telephony.terminal import WAYS, Bench, Received, permits
from tests.unit.telephony.vectors import ERROR, OK, VECTORS, Vector


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: Vector, bytewise: bool) -> None:
    bench = Bench(factory=vector.factory, table=vector.table, bytewise=bytewise)
    assert bench.do(*vector.steps) == list(vector.out)


def test_vectors_have_names_of_their_own() -> None:
    assert len({vector.name for vector in VECTORS}) == len(VECTORS)


_PLAN = parse_dial("5", tone=True, numbers=(), last="")
SIGNALS: tuple[Signal, ...] = (
    *(*Heard, *CallRequest, *Trigger),
    Trained(2400),
    Originate(_PLAN),
)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: f"{signal}".partition("(")[0])
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_transition(state: State, signal: Signal) -> None:
    """Every signal in every state: it leads where the table says, or changes nothing."""
    bench = Bench()
    bench.do(*WAYS[state])
    modem = bench.modem
    assert modem.state is state

    before = (modem.wake_at, modem.rate)
    granted = modem._call.signal(signal)
    transition = TRANSITIONS.get((state, kind(signal)))
    assert granted is (transition is not None)
    if transition:
        assert modem.state in transition.to
    else:
        assert (modem.state, modem.wake_at, modem.rate) == (state, *before)
        assert modem._taken() == []
    # Whoever waits knows for how long, and nobody else is woken.
    assert (modem.wake_at is None) is (modem.state in COMMAND | {State.data})


def test_signals_are_all() -> None:
    """A kind of signal that came later is tried too."""
    assert {type(each) for each in SIGNALS} == set(get_args(Signal))


def test_commands() -> None:
    """Each has its line of description, and one that is listed is not refused for being unknown."""
    assert COMMANDS.keys() >= SETTINGS.keys()
    for name, text in COMMANDS.items():
        assert text.strip() == text, name
        assert 8 < len(text) < 100, name
    for name in COMMANDS.keys() - {"A/", "+++"}:
        tail = "=?" if name.startswith("+") else "=" if name == "&Z" else "1" if name == "C" else ""
        assert ERROR not in Bench().say(f"AT{name}{tail}\r".encode(), 60.0), name


@pytest.mark.parametrize("name", REGISTERS)
def test_register_range(name: str) -> None:
    register = REGISTERS[name]
    for value in range(257):
        bench = Bench(factory={"E": 0})
        bench.do(f"AT{name}={value}\r".encode())
        expected = value if permits(register, value) else register.defaults[0]
        assert bench.modem.settings[name] == expected


@pytest.mark.parametrize("name", SWITCHES)
def test_switch_range(name: str) -> None:
    """Values from 0 on are allowed or refused as the table says."""
    for value in range(12):
        bench = Bench(factory={"E": 0})
        bench.do(f"AT{name}{value}\r".encode())
        allowed = permits(SWITCHES[name], value)
        default = Bench(factory={"E": 0}).modem.settings
        if not allowed:
            assert bench.modem.settings == default
        elif name not in ALIASES:
            assert bench.modem.settings[name] == value


@pytest.mark.parametrize(
    "factory", [{"S99": 1}, {"S7": 0}, {"U": 1}, {"&C": 2}, {"+MS": "V99"}, {"+XY": 1}]
)
def test_factory_is_checked(factory: dict[str, int | str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Modem(factory=factory)


def test_factory() -> None:
    modem = Modem(factory={"S0": 2, "&C": 0, "&K": 0, "+MS": "V32,,9600"})
    assert modem.carrier
    assert modem.settings["S0"] == 2
    assert modem.settings.values["+IFC"] == (0, 0)
    assert modem.settings.values["+MS"] == ("V32", 1, 9600, 0, 0, 0)


def test_words_and_numbers() -> None:
    """The basic ones are the same in both tables; no number of a table means two things."""
    for table in (HAYES, IBM):
        basic = [table.number(result) for result in ResultCode]
        assert basic == [0, 1, 2, 3, 4, 6, 7, 8]
        everything = [*basic, *table.rates.values()]
        assert len(set(everything)) == len(everything)
    assert IBM.rates == {1200: 5, 2400: 9}
    hayes = (600, 2400, 4800, 9600, 7200, 12000, 14400, 19200, 38400, 57600, 115200)
    assert [HAYES.number(ResultCode.connect, rate) for rate in hayes] == list(range(9, 20))
    v34 = (16800, 21600, 24000, 26400, 28800, 33600, 31200)
    assert [HAYES.number(ResultCode.connect, rate) for rate in v34] == [59, 61, 62, 63, 64, 84, 91]


def test_line_waits_while_the_terminal_commands() -> None:
    """What the other end sends in online command state comes after O; not for ever, and not to the next."""
    bench = Bench(factory={"E": 0})
    bench.do(*WAYS[State.data], 1.0, b"+++", 1.0)
    assert bench.modem.from_line(b"a" * (KEPT_WHILE_ESCAPED - 1), bench.now) == []
    assert bench.modem.from_line(b"bc", bench.now) == []
    assert bench.say(b"ATO\r").endswith(b"9600\r\n" + b"a" * (KEPT_WHILE_ESCAPED - 1) + b"b")
    assert bench.say(b"x") == b""

    bench.do(1.0, b"+++", 1.0)
    bench.modem.from_line(b"lost", bench.now)
    bench.do(b"ATH\r")
    assert b"lost" not in bench.say(*WAYS[State.data])


def test_what_a_stopped_terminal_has_waiting_is_not_cut_by_an_escape() -> None:
    bench = Bench(factory={"E": 0, "+IFC": "1"})
    bench.do(*WAYS[State.data], b"\x13")
    held = b"a" * (KEPT_WHILE_ESCAPED + 9)
    assert bench.do(Received(held)) == []
    assert bench.modem.held == len(held)
    bench.do(1.0, b"+++", 1.0)
    assert bench.modem.held == 0, "it counts while the terminal is to go on only"
    bench.do(Received(b"too much" * 9))
    assert bench.say(b"ATO\r").endswith(b"9600\r\n" + held)


def test_what_is_for_the_modem_itself_is_told_from_data() -> None:
    """The dialogue is to have the one and not the other, also where one write has both."""
    bench = Bench(factory={"E": 0, "S12": 0, "+IFC": "1"})
    modem = bench.modem
    for data, addressed in (
        (b"ATI\rATA\r", b"ATI\rATA\r"),
        (Trained(9600), b"ATI\rATA\r"),
        (b"secret\x13\x11", b""),
        (b"secret+++ATI\r", b"ATI\r"),
        (b"ATO\rsecret", b"ATO\r"),
        (b"+++ATO\rsecret+++ATH\rATD\r", b"ATO\rATH\rATD\r"),
        (0.2, b"ATO\rATH\rATD\r"),
        (b"xAT\r", b"xAT\r"),
    ):
        bench.do(data)
        assert bytes(modem.addressed) == addressed


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
@pytest.mark.parametrize("mode", range(4))
def test_it_minds_dtr_where_something_would_come_of_it(mode: int, state: State) -> None:
    bench = Bench(factory={"&D": mode})
    bench.do(*WAYS[state])
    before = bench.modem.settings.copy()
    minds = bench.modem.minds_dtr
    assert minds is (mode == 3 or (mode > 0 and state is not State.idle))
    said = bench.do(False)
    if not minds:
        assert said == []
        assert bench.modem.settings == before


def test_what_a_person_reads_fits_a_screen() -> None:
    said = Bench().say(b"AT&V\r").decode()
    assert max(map(len, said.splitlines())) < 80
    for name in SWITCHES.keys() - ALIASES.keys():
        assert said.count(f"{name}{SWITCHES[name].defaults[0]}") >= 3, name
    for name, register in REGISTERS.items():
        assert said.count(f"S{name[1:]:0>2}:{register.defaults[0]:03}") == 3


def test_line_goes_nowhere_without_a_call() -> None:
    bench = Bench()
    assert bench.modem.from_line(b"x", 0.0) == []


def test_late_tick_comes_first() -> None:
    """An escape that was complete before the next bytes came is one, even if nobody ticked."""
    bench = Bench(factory={"E": 0})
    bench.do(*WAYS[State.data], 1.0, b"+++")
    modem = bench.modem
    assert modem.wake_at == bench.now + 1.0
    effects = modem.from_terminal(b"ATI3\r", bench.now + 1.5)
    assert effects == [ToTerminal(OK + b"\r\n1\r\n" + OK)]


@pytest.mark.parametrize(
    "happens",
    [
        lambda modem, now: modem.from_line(b"", now),
        lambda modem, now: modem.line(Heard.ringing, now),
        lambda modem, now: modem.dtr(True, now),
        lambda modem, now: modem.tick(now),
    ],
    ids=["from_line", "line", "dtr", "tick"],
)
def test_whatever_happens_what_was_due_comes_first(
    happens: Callable[[Modem, float], list[Effect]],
) -> None:
    bench = Bench()
    bench.do(*WAYS[State.data], 1.0, b"+++")
    assert happens(bench.modem, bench.now + 0.9) == []
    assert happens(bench.modem, bench.now + 1.1) == [ToTerminal(OK)]
    # Time that went back is no time.
    assert happens(bench.modem, 0.0) == []
    assert bench.modem.now == bench.now + 1.1


def test_data_is_not_looked_at_byte_by_byte() -> None:
    """A second of 1 Mbit/s each way must cost little of it, whatever machine this is."""
    bench = Bench(factory={"E": 0})
    bench.do(*WAYS[State.data])
    data = bytes(range(256)) * 2
    given = ToTerminal(data, carried=True)
    modem, portions = bench.modem, 250

    begin = time.process_time()
    for number in range(portions):
        assert modem.from_terminal(data, 2.0 + number / portions) == [ToLine(data)]
        assert modem.from_line(data, 2.0 + number / portions) == [given]
    assert time.process_time() - begin < 0.1
