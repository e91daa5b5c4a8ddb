"""docs/modem.md, at-commands.md and at-settings.md against the program: commands, results, outcomes."""

from __future__ import annotations

import random
import re
import textwrap
from collections import deque
from pathlib import Path

import pytest

from lab.telephony import family_file
from lab.telephony.dialling import parse_dial
from lab.telephony.exchange import Exchange
from lab.telephony.flow import GO_ON_AT_BYTES, STOP_AT_BYTES
from lab.telephony.modem import Modem
from lab.telephony.modulation import CARRIERS, agree
from lab.telephony.repertoire import COMMANDS, PARAMETERS, REGISTERS, SETTINGS, SWITCHES, Setting
from lab.telephony.result_codes import HAYES, IBM, ResultCode, wording
from lab.telephony.settings import Settings
from lab.telephony.signals import Effect, LineEvent, ToTerminal, Trained
from lab.telephony.tape import Tape
from lab.topology import modem_family
from lab.topology.telephone import CallRule, Outcome
from tests.unit.telephony.exchange_hall import modem_line
from tests.unit.telephony.terminal import Bench

DOCS = Path(__file__).resolve().parents[3] / "docs"


def _rows(page: str, first: str) -> list[list[str]]:
    """The cells of the table whose first column has this title, without its head."""
    text = (DOCS / page).read_text()
    found = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found, f"{page} has no table of {first!r}"
    return [
        [cell.strip().strip("`") for cell in row.strip("|").split("|")]
        for row in found[1].splitlines()
    ]


def _default(setting: Setting) -> str:
    return ",".join(map(str, setting.defaults))


def test_every_command_is_told_with_the_words_of_the_program() -> None:
    rows = _rows("at-commands.md", "command")
    assert {row[0]: row[2] for row in rows} == {
        name: text
        for name, text in COMMANDS.items()
        if name not in REGISTERS and name not in WITHOUT_EFFECT
    }
    assert {row[0]: row[1] for row in rows if row[1]} == {
        name: _default(each)
        for name, each in SETTINGS.items()
        if each.effect and name not in REGISTERS
    }


def test_every_register_is_told_with_default_and_range() -> None:
    assert _rows("at-commands.md", "register") == [
        [name, _default(each), each.fields[0].allowed, each.help]
        for name, each in REGISTERS.items()
        if each.effect
    ]


def _inert(text: str) -> bool:
    return text.endswith("without effect")


WITHOUT_EFFECT = {
    **{
        name: f"{name} {_default(each)} ({each.fields[0].allowed})"
        for name, each in [*SWITCHES.items(), *REGISTERS.items()]
        if not each.effect
    },
    **{name: f"{name} {_default(each)}" for name, each in PARAMETERS.items() if not each.effect},
    **{name: name for name, text in _rows("at-commands.md", "in a number") if _inert(text)},
}
"""What the page has to say of each."""


def test_what_has_no_effect_is_told_with_a_reason() -> None:
    told: list[str] = []
    for reason, settings in _rows("at-settings.md", "without effect, since"):
        assert reason
        told += [each.replace("`", "") for each in settings.split(", `")]
    assert sorted(told) == sorted(WITHOUT_EFFECT.values())


def _dialled(text: str, *, tone: bool) -> tuple[object, ...]:
    understood = parse_dial(text, tone=tone, numbers=["5"] * 4, last="9")
    return understood.steps, understood.hold, understood.tone


def test_every_modifier_that_is_told_does_something_and_no_other_character() -> None:
    told = dict(_rows("at-commands.md", "in a number"))
    for character in map(chr, range(0x20, 0x7F)):
        name = {"S": "S="}.get(character, character)
        placed = [(f"{character}12", "12"), (f"1{character}2", "12")]
        does = any(
            _dialled(text, tone=tone) != _dialled(plain, tone=tone)
            for text, plain in placed
            for tone in (False, True)
        )
        digit = character in "0123456789*#ABCD"
        assert does is (digit or not _inert(told.get(name, "without effect"))), character


def test_every_carrier_is_told_with_its_rates() -> None:
    told = dict(_rows("at-settings.md", "carrier"))
    assert list(told) == list(CARRIERS)
    assert SETTINGS["+MS"].fields[0].allowed == ",".join(CARRIERS)
    for name, rates in CARRIERS.items():
        if name == "V34":
            assert rates == tuple(range(2400, 33601, 2400))
            assert told[name] == "2400 to 33600 in steps of 2400"
        elif rates:
            assert told[name] == ", ".join(map(str, rates))
        else:
            assert told[name].startswith("none of its own")


@pytest.mark.parametrize("row", _rows("at-settings.md", "`+MS`"), ids=str)
def test_what_a_modulation_comes_to(row: list[str]) -> None:
    offers = []
    for value in row[:2]:
        settings = Settings()
        if value != "as it was":
            settings.set("+MS", *value.split(","))
        offers.append(settings.offer)
    rate = agree(offers[0], offers[1], 33600)[0]
    assert row[2] == (f"CONNECT {rate}" if rate else "NO CARRIER")


def test_what_flow_control_says_of_bytes() -> None:
    (row,) = [row for row in _rows("at-settings.md", "`+IFC`") if row[0] == "1"]
    assert f"when {STOP_AT_BYTES} bytes wait" in row[2]
    assert f"when {GO_ON_AT_BYTES} are left" in row[2]


def test_what_is_left_out_of_ms() -> None:
    (short, whole) = re.findall(r"`\+MS=([^`]+)`", (DOCS / "at-commands.md").read_text())[:2]
    one, other = Settings(), Settings()
    one.set("+MS", *short.split(","))
    other.set("+MS", *whole.split(","))
    assert one == other


def test_both_tables_of_result_codes() -> None:
    expected = [
        [result.value, str(HAYES.number(result)), str(IBM.number(result))] for result in ResultCode
    ]
    expected += [
        [
            f"CONNECT {rate}",
            str(HAYES.number(ResultCode.connect, rate)),
            str(IBM.number(ResultCode.connect, rate)),
        ]
        for rate in sorted(HAYES.rates)
    ]
    rows = _rows("at-commands.md", "result")
    halves = [row[:3] for row in rows] + [row[3:] for row in rows if row[3]]
    assert [[row[0].strip("`"), *row[1:]] for row in halves] == expected


def test_the_families_are_told_as_their_modems_behave() -> None:
    rows = _rows("modem.md", "`modem`")
    assert [row[0] for row in rows] == ["(none)", *modem_family.names()]
    for name, title, flow, k, words, number, init in rows:
        family = family_file.load(Path(), name) if name != "(none)" else None
        assert title == (family.title if family else "the lab's own")
        assert init == (family.init if family else "ATZ")

        bench = Bench(factory={"E": 0}, family=family)
        for none in ("&K0", "&E3", "&H0&I0", "&H0"):
            bench.say(f"AT{none}\r".encode())
        assert bench.modem.settings.flow_control in ((0, 0), (2, 0))
        assert bench.say(f"AT{flow}\r".encode()) == b"\r\nOK\r\n"
        assert bench.modem.settings.flow_control == (2, 2)
        said = bench.say(b"AT&K4\r" if name != "usr-courier" else b"AT&K3\r")
        assert (said == b"\r\nERROR\r\n") is (k == "ERROR")
        assert (bench.modem.settings.flow_control == (1, 1)) is (k == "flow control")

        assert bench.say(b"ATX4D1\r", 60.0) == f"\r\n{words}\r\n".encode()
        bench.say(init.encode() + b"\r", 1.0, b"ATE0V0\r")
        assert bench.say(b"ATA\r", Trained(33600)) == f"{number}\r".encode()


def test_the_example_of_a_family_of_ones_own_is_one() -> None:
    example = re.search(r"(?m)^    schema: 1\n(?:    .*\n)+", (DOCS / "modem.md").read_text())
    assert example is not None

    family = family_file.parse(textwrap.dedent(example[0]), "acme.yaml", "./acme.yaml")
    bench = Bench(factory={"E": 0}, family=family)
    assert bench.modem.settings.flow_control == (2, 2)
    bench.say(b"AT&F2E0\r")
    assert bench.modem.settings.flow_control == (0, 0)
    assert bench.say(b"AT&K3\r") == b"\r\nERROR\r\n"


def test_what_reports_say() -> None:
    """Each row's reports are what a modem says by its command, which is an example."""
    for command, told in _rows("at-settings.md", "command"):
        if not command.startswith("+"):
            continue
        modem = Modem(factory={"E": 0})
        modem.port_bit_s = 115200
        for said in (command, "A"):
            modem.from_terminal(f"AT{said}\r".encode(), 0.0)
        said = b"".join(
            effect.data
            for effect in modem.line(Trained(33600), 5.0)
            if isinstance(effect, ToTerminal)
        ).decode()
        reports = [line for line in said.split("\r\n") if line.startswith("+")]
        assert reports == re.findall(r"\+[A-Z]+: \w+", told), command


# What becomes of a call: two modems at an exchange, in a time that the test makes.

CALLED = "15550002"


class _Town:
    """Two modems and their exchange."""

    def __init__(self, *rules: CallRule) -> None:
        lines = [modem_line("a", "15550001", 33600, 0.01), modem_line("b", CALLED, 33600, 0.01)]
        self._exchange = Exchange(lines, rules, random=random.Random(1), tape=Tape())
        self._modems = {line.name: Modem() for line in lines}
        self._todo: deque[tuple[str, LineEvent | bytes]] = deque()
        self.now = 0.0
        self.heard = dict.fromkeys(self._modems, b"")

    def say(self, name: str, data: bytes) -> None:
        self._perform(name, self._modems[name].from_terminal(data, self.now))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (at := min(self._wake_ups(), default=end)) <= end:
            self.now = max(self.now, at)
            for name, modem in self._modems.items():
                self._perform(name, modem.tick(self.now))
            self._todo.extend(self._exchange.tick(self.now))
            self._tell()
            if at == end:
                break
        self.now = end

    def _wake_ups(self) -> list[float]:
        wanted = (self._exchange.wake_at, *(modem.wake_at for modem in self._modems.values()))
        return [at for at in wanted if at is not None]

    def _perform(self, name: str, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ToTerminal):
                self.heard[name] += effect.data
            self._todo.extend(self._exchange.effect(name, effect, self.now))
        self._tell()

    def _tell(self) -> None:
        while self._todo:
            name, event = self._todo.popleft()
            modem = self._modems[name]
            if isinstance(event, bytes):
                self._perform(name, modem.from_line(event, self.now))
            else:
                self._perform(name, modem.line(event, self.now))


def _said(outcome: Outcome | None, x: int) -> str:
    """What the caller's modem says first, and how many seconds after it was told to dial."""
    options = {
        Outcome.line_drops: {"after_s": 30.0},
        Outcome.slow_training: {"rate_bit_s": 9600},
        Outcome.noise: {"bit_error_rate": 1e-5},
    }
    rules = [] if outcome is None else [CallRule(outcome=outcome, **options.get(outcome, {}))]  # type: ignore[arg-type]
    town = _Town(*rules)
    town.say("b", b"ATE0S0=1\r")
    town.say("a", f"ATE0X{x}\r".encode())
    town.heard["a"] = b""
    town.say("a", f"ATDT{CALLED}\r".encode())
    seconds = 0
    while not town.heard["a"]:
        town.run(1.0)
        seconds += 1
        assert seconds < 400
    first = town.heard["a"].split(b"\r\n")[1].decode()
    town.run(60.0)
    later = town.heard["a"].split(b"\r\n")[3:4]
    return f"{first}, {later[0].decode()}" if later else f"{first} {seconds}"


@pytest.mark.parametrize("row", _rows("modem.md", "outcome"), ids=lambda row: row[0])
def test_what_a_modem_says_of_an_outcome(row: list[str]) -> None:
    outcome = None if row[0] == "(none)" else Outcome(row[0])
    for x, told in ((4, row[2]), (0, row[3])):
        said, _, seconds = told.replace(" after ", "|").replace(" s", "").partition("|")
        expected = f"{said} {seconds}" if seconds else said
        measured = _said(outcome, x)
        assert measured.startswith(expected), (x, measured)


def test_every_outcome_is_told() -> None:
    told = [row[0] for row in _rows("modem.md", "outcome")]
    assert told == ["(none)", *(outcome.value for outcome in Outcome)]


def test_what_x_does() -> None:
    yes_or_no = {True: "yes", False: "no"}
    settings = Settings()
    columns = []
    for x in range(5):
        settings.set("X", str(x))
        rate = wording(ResultCode.connect, 33600, x)[1] > 0
        columns.append([yes_or_no[each] for each in (rate, settings.dial_tone, settings.busy_tone)])
    assert [row[1:] for row in _rows("modem.md", "`X`")] == [
        list(row) for row in zip(*columns, strict=True)
    ]
