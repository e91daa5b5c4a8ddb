"""What holds for a modem whatever comes: hypothesis invents it, and a fuzz run spoils the vectors."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from lab.telephony.command_line import Command, CommandError, CommandLine, Form, next_command, tidy
from lab.telephony.commands import Interpreter
from lab.telephony.flow import GO_ON_AT_BYTES, STOP_AT_BYTES
from lab.telephony.modem import Modem, State
from lab.telephony.modulation import CARRIERS
from lab.telephony.repertoire import ALIASES, COMMANDS, REGISTERS, SETTINGS, SWITCHES
from lab.telephony.result_codes import HAYES, ResultCode, wording
from lab.telephony.settings import Settings
from lab.telephony.signals import Effect, Heard, ToLine, ToTerminal, Trained
from lab.telephony.states import COMMAND, TRANSITIONS, Signal, kind
from tests.unit.examples import examples, share
from tests.unit.telephony.terminal import (
    WAYS,
    Backlog,
    Bench,
    Received,
    Step,
    joined,
    permits,
    permitted,
)
from tests.unit.telephony.vectors import VECTORS

_FRAGMENTS = (
    *(name for name in COMMANDS if name not in ("A/", "+++")),
    *'0123456789=?;,@!*#&+ "/\x08',
    *("S3=65", "S5=65", "S12=0", "S8=0", "S2=13", "=?", "T5W,1;", "S=0", "&Z0=9,1;", "Q1", "V0"),
    *("+IFC=1,1;", "+IFC=3;", "+MS=V32B,1;", "+MS=V90,0,9600,4800;", '+ASTO=0,"9;";', "+IPR=0;"),
)
_BODIES = st.lists(st.sampled_from(_FRAGMENTS), max_size=8).map("".join)
_LINES = _BODIES.map(lambda body: f"AT{body}\r".encode())
_WRITES = st.one_of(
    _LINES,
    st.binary(max_size=40),
    st.sampled_from((b"+++", b"+", b"A/", b"at", b"\r", b"\n", b"ATD1\r", b"ATA\r", b"ATO\r")),
    st.sampled_from((b"\x11", b"\x13", b"a\x13b\x11\x13", b"AT+IFC=1,1\r", b"AT+IFC=3,1\r")),
)
_EVENTS = st.one_of(
    st.sampled_from(Heard),
    st.integers(0, 60000).map(Trained),
)
_RECEIVED = st.text("abcdefgh", min_size=1, max_size=6).map(lambda text: Received(text.encode()))
_BACKLOGS = st.sampled_from((0, GO_ON_AT_BYTES, GO_ON_AT_BYTES + 1, STOP_AT_BYTES, 99999)).map(
    Backlog
)
_STEPS: st.SearchStrategy[Step] = st.one_of(
    _WRITES,
    _EVENTS,
    _RECEIVED,
    _BACKLOGS,
    st.booleans(),
    st.sampled_from((0.0, 0.01, 0.2, 1.0, 2.0, 7.0, 60.0, 300.0)),
)

_CONVERSATIONS = st.tuples(
    st.sampled_from(tuple(WAYS.values())), st.lists(_STEPS, max_size=12)
).map(lambda parts: [*parts[0], *parts[1]])


class Watched(Bench):
    """Checks after every step what always holds, and notes final results."""

    def __init__(self, **options: bool) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.results: list[ResultCode] = []
        self.lines = self.answered = 0
        """Lines that ended, and how many of them have had their result."""
        self.reported = 0
        """Results that the terminal was to read, without RING."""
        finish, grant, take = self.modem.finish, self.modem._call.signal, self.modem._take
        report = self.modem.report

        def told(result: ResultCode, rate_bit_s: int = 0) -> None:
            self.reported += result is not ResultCode.ring
            report(result, rate_bit_s)

        def taken(line: CommandLine) -> None:
            assert self.lines == self.answered, "a line before the result of the one before it"
            self.lines += 1
            self.answered += line.body is None
            take(line)

        def noted(result: ResultCode, rate_bit_s: int = 0) -> None:
            self.results.append(result)
            self.answered += self.modem._rest is not None
            finish(result, rate_bit_s)

        def watched(signal: Signal) -> bool:
            transition = TRANSITIONS.get((self.modem.state, kind(signal)))
            before = len(self.results)
            granted = grant(signal)
            assert len(self.results) - before <= granted, "no more than one result of anything"
            assert granted is (transition is not None)
            assert transition is None or self.modem.state in transition.to
            return granted

        self.modem._take = taken  # type: ignore[method-assign]
        self.modem.finish = noted  # type: ignore[method-assign]
        self.modem.report = told  # type: ignore[method-assign]
        self.modem._call.signal = watched  # type: ignore[method-assign]

    def _one(self, step: Step) -> list[Effect]:
        effects = super()._one(step)
        modem = self.modem
        # In command state nothing is due; elsewhere an end is in sight, and not in the past.
        if modem.state in COMMAND:
            assert modem.wake_at is None
            assert modem._rest is None
            assert self.lines == self.answered
        elif modem.state is not State.data:
            assert modem.wake_at is not None
        assert modem.wake_at is None or modem.wake_at > self.now
        assert self.reported == len(self.results)
        assert modem.stopped <= (modem.state is State.data)
        assert modem.stopped or not modem.held
        assert modem._flow.stopping <= (modem.state is State.data)
        connected = modem.state in (State.data, State.online)
        assert connected or not modem._kept
        assert modem.carrier is (connected or not modem.settings["&C"])
        for name, register in REGISTERS.items():
            assert permits(register, modem.settings[name])
        return effects


@given(_CONVERSATIONS)
@examples(500)
def test_nothing_raises_and_nothing_is_stuck(steps: list[Step]) -> None:
    bench = Watched()
    bench.do(*steps)
    # Left alone, every modem comes to rest.
    bench.do(1000.0, 1000.0)
    assert bench.modem.state in COMMAND | {State.data}
    assert bench.lines == bench.answered


@given(_BODIES.map(lambda body: body.replace("\x08", "")))
@example("D9,1;H1D5W1;")
@example("ZY")
@example("&F+IPR=9600;D5")
@examples(500)
def test_every_line_gets_one_final_result(body: str) -> None:
    """Whatever it says, and however long it takes; the next line gets its own."""
    bench = Watched()
    read = bench.say(f"AT{body}\r".encode(), 2000.0, 2000.0)
    assert len(bench.results) == 1
    assert (bench.lines, bench.answered) == (1, 1)
    assert _ends_with_result(bench, read)

    end = bytes((bench.modem.settings["S3"],))
    bench.modem.settings.set("S5", "127")  # or it may be a letter of the next line
    if end not in b"Aa":
        bench.do(b"ATS0?" + end if end not in b"TtSs0?" else b"at" + end)
    assert len(bench.results) == (2 if end not in b"Aa" else 1)


@given(st.text('ADEZS&+IFCMP0123456789=?;,"@ \\', max_size=30))
def test_every_command_takes_something_of_its_line(body: str) -> None:
    """So that a line comes to its end."""
    rest = tidy(body)
    while rest:
        try:
            _, behind = next_command(rest)
        except CommandError:
            break
        assert rest.endswith(behind)
        assert len(behind) < len(rest)
        rest = behind


def _ends_with_result(bench: Watched, read: bytes) -> bool:
    """Whether it is the last that the terminal reads, in the form that the line has asked for."""
    settings, (result,) = bench.modem.settings, bench.results
    if settings["Q"] == 1:
        return True
    word, rate = wording(result, 0, settings["X"])
    return read.endswith(bench.modem._framing.result(HAYES, word, rate))


@given(
    st.sampled_from((b"1", b"3", b"2")),
    st.sampled_from((b"0", b"1")),
    st.lists(
        st.one_of(
            _RECEIVED,
            _BACKLOGS,
            st.sampled_from((b"\x13", b"\x11", b"a", b"b\x11c\x13", b"\x13\x11d", b"\x13\x13e")),
        ),
        max_size=20,
    ),
    st.sampled_from((b"", b"\x11", "gone")),
)
@examples(300)
def test_flow_control_loses_nothing(
    by_terminal: bytes, by_modem: bytes, steps: list[Step], end: bytes | str
) -> None:
    """What the line brings arrives whole and in order, if only at the end; what is typed leaves whole."""
    bench = Watched()
    bench.do(b"ATE0S2=255+IFC=%b,%b\r" % (by_terminal, by_modem), *WAYS[State.data])
    effects: list[Effect] = []
    for step in steps:
        stopped = bench.modem.stopped
        now = bench._one(step)
        effects += now
        if stopped and isinstance(step, Received):
            assert now == []
    effects += bench.do(Heard.dropped if isinstance(end, str) else end)

    carried = b"".join(x.data for x in effects if isinstance(x, ToTerminal) and x.carried)
    signs = [byte for byte in carried if byte in b"\x11\x13"]
    brought = b"".join(step.data for step in steps if isinstance(step, Received))
    if by_modem == b"1":
        assert all(one != other for one, other in pairwise(signs))
        assert not signs or signs[0] == 0x13
        assert end != "gone" or len(signs) % 2 == 0, "its terminal stays stopped"
        carried = carried.translate(None, b"\x11\x13")
    assert brought.startswith(carried)
    assert carried == brought or bench.modem.stopped
    assert end != b"\x11" or by_terminal == b"2" or carried == brought

    typed = b"".join(step for step in [*steps, end] if isinstance(step, bytes))
    left = b"".join(x.data for x in effects if isinstance(x, ToLine))
    assert left == (typed.translate(None, b"\x11\x13") if by_terminal == b"1" else typed)


@given(_CONVERSATIONS)
@examples(300)
def test_portions_make_no_difference(steps: list[Step]) -> None:
    whole, bytewise = Watched(), Watched(bytewise=True)
    assert whole.do(*steps) == bytewise.do(*steps)
    assert whole.modem.settings == bytewise.modem.settings


@given(
    st.one_of(st.sampled_from([*COMMANDS, "S"]), st.text(max_size=3)),
    st.sampled_from(Form),
    st.one_of(st.text(max_size=8), st.lists(st.integers(0, 999), max_size=7).map(str)),
    st.one_of(st.none(), st.integers(0, 10**30)),
)
@examples(300)
def test_what_is_refused_changes_nothing(
    name: str, form: Form, value: str, number: int | None
) -> None:
    modem = Interpreter({})
    before = _everything(modem)
    try:
        modem.execute(Command(name, form, value, number))
    except CommandError:
        assert _everything(modem) == before


def _everything(modem: Interpreter) -> tuple[object, ...]:
    profiles = [profile.copy() for profile in modem.profiles]
    stored = (profiles, modem.factory.copy(), list(modem.numbers), modem.last_dialled)
    return modem.settings.copy(), modem.register, *stored


@st.composite
def _settings(draw: st.DrawFn) -> list[str]:
    """Commands that set everything to something allowed."""
    commands = []
    for name, register in REGISTERS.items():
        if name not in ("S1", "S3", "S4", "S5"):
            commands.append(f"{name}={draw(st.sampled_from(permitted(register)))}")
    for name, switch in SWITCHES.items():
        if name not in ("E", "Q", "V"):
            commands.append(f"{name}{draw(st.sampled_from(permitted(switch)))}")
    commands.append(f"+IFC={draw(st.integers(0, 3))},{draw(st.integers(0, 2))};")
    commands.append(f"+MS={draw(st.sampled_from(tuple(CARRIERS)))},0,300,{9600};")
    return draw(st.permutations(commands))


@given(_settings(), st.sampled_from((0, 1)))
@examples(50)
def test_profiles_bring_back_what_was_stored(commands: list[str], profile: int) -> None:
    bench = Bench(factory={"E": 0})
    for at in range(0, len(commands), 6):
        assert bench.say(f"AT{''.join(commands[at : at + 6])}\r".encode()) == b"\r\nOK\r\n"
    bench.say(f"AT&W{profile}\r".encode())
    stored = bench.modem.settings.copy()
    bench.say(b"AT&F\r")
    assert bench.modem.settings == bench.modem._interpreter.factory[0]
    bench.say(f"ATZ{profile}\r".encode())
    assert bench.modem.settings == stored
    # What is stored does not follow what is set afterwards.
    bench.say(b"ATS7=1S7=99S12=1+IFC=1,1\r", f"ATZ{profile}\r".encode())
    assert bench.modem.settings == stored
    assert isinstance(stored, Settings)
    assert set(stored.values) == SETTINGS.keys() - ALIASES.keys()


def test_fuzz() -> None:
    """The vectors cut up, doubled, swapped and with bits flipped, one modem for many of them."""
    dice = random.Random(250)
    steps = [step for vector in VECTORS for step in vector.steps]
    for _ in range(share(300)):
        bench = Watched()
        bench.do(*dice.choice(tuple(WAYS.values())))
        for _ in range(60):
            bench.do(_spoiled(dice, dice.choice(steps)))
        bench.do(2000.0, 2000.0)
        assert bench.modem.state in COMMAND | {State.data}


def _spoiled(dice: random.Random, step: Step) -> Step:
    if not isinstance(step, bytes) or dice.random() < 0.5:
        return step
    data = bytearray(step)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(4):
            case 0:
                data[at : at + 1] = b""
            case 1:
                data[at:at] = data[: dice.randrange(1, 300)]
            case 2:
                data.insert(at, dice.randrange(256))
            case _:
                data[at : at + 1] = bytes(
                    byte ^ 1 << dice.randrange(8) for byte in data[at : at + 1]
                )
    return bytes(data)


def test_joined() -> None:
    """The bench itself: it joins, and drops nothing."""
    assert joined(Modem().from_terminal(b"AT\r", 0.0)) == Modem().from_terminal(b"AT\r", 0.0)
