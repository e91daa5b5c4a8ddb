"""Modems of other makers: their words, numbers and commands, and what programs for them meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.telephony import family_file
from lab.telephony.result_codes import HAYES
from lab.telephony.signals import Heard, Trained
from lab.topology import modem_family
from tests.unit.telephony.terminal import Bench, PortRate, Step

NAMES = modem_family.names()

# As the makers' manuals have them, which the files name; without a number of its own, a rate has 1.
NUMBERS = {
    "usr-courier": {
        **{1200: 5, 2400: 10, 4800: 18, 7200: 20, 9600: 13, 12000: 21, 14400: 25, 16800: 43},
        **{19200: 85, 21600: 91, 24000: 99, 26400: 103, 28800: 107, 31200: 151, 33600: 155},
    },
    "multitech": {
        **{1200: 5, 2400: 9, 4800: 11, 7200: 1, 9600: 12, 12000: 1, 14400: 13, 16800: 1},
        **{19200: 19, 21600: 21, 24000: 24, 26400: 26, 28800: 28, 31200: 31, 33600: 33},
    },
    "hayes": {
        **{1200: 5, 2400: 10, 4800: 11, 7200: 1, 9600: 12, 12000: 1, 14400: 13, 16800: 1},
        **{19200: 14, 21600: 1, 24000: 1, 26400: 1, 28800: 15, 31200: 1, 33600: 1},
    },
    "zyxel": {
        **{1200: 5, 2400: 10, 4800: 11, 7200: 15, 9600: 12, 12000: 16, 14400: 1, 16800: 1},
        **{19200: 14, 21600: 42, 24000: 41, 26400: 40, 28800: 39, 31200: 35, 33600: 38},
    },
    "zyxel-comet": {
        **{1200: 5, 2400: 10, 4800: 11, 7200: 24, 9600: 12, 12000: 25, 14400: 13, 16800: 15},
        **{19200: 14, 21600: 29, 24000: 30, 26400: 31, 28800: 32, 31200: 1, 33600: 35},
    },
}
TWO_WORDS = ("usr-courier", "zyxel", "zyxel-comet")
"""Who writes NO DIAL TONE."""
CALLS: tuple[Step, ...] = (b"D5\r", Heard.dial_tone, 0.5, Heard.ringback, 4.0, Heard.answered, 6.0)
WANTED = {"V": (1,), "Q": (0,), "&C": (1,), "&D": (2,), "+IFC": (2, 2)}


def bench(name: str, *, echo: str = "E0") -> Bench:
    made = Bench(family=family_file.load(Path("none"), name))
    made.say(f"AT{echo}\r".encode())
    return made


def values(made: Bench, *names: str) -> dict[str, object]:
    return {name: made.modem.settings.values[name] for name in names}


def test_every_family_has_its_table_of_numbers_here() -> None:
    assert set(NAMES) == set(NUMBERS)


@pytest.mark.parametrize("name", NAMES)
def test_the_init_string_sets_up_a_modem_for_a_dialler_whatever_it_was_set_to(name: str) -> None:
    made = bench(name)
    for command in ("V0", "X0", "&C0", "&D0", "&H0", "&K0", "&E3", "+IFC=0,0"):
        made.say(f"AT{command}\r".encode())
    init = family_file.load(Path("none"), name).init

    assert made.say(f"{init}\r".encode(), 1.0).endswith(b"\r\nOK\r\n")
    assert values(made, *WANTED) == WANTED
    assert made.modem.settings["X"] == 4


@pytest.mark.parametrize("name", NAMES)
def test_what_z_recalls_has_words_and_hardware_flow_control(name: str) -> None:
    made = bench(name)

    assert made.say(b"ATZ\r", 1.0) == b"\r\nOK\r\n"
    assert values(made, *WANTED) == WANTED


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", NUMBERS["hayes"])
def test_the_number_of_each_rate(name: str, rate: int) -> None:
    made = bench(name)
    made.say(family_file.load(Path("none"), name).init.encode() + b"\r", 1.0, b"ATE0V0\r")

    assert made.say(b"AT", *CALLS, Trained(rate)) == b"%d\r" % NUMBERS[name][rate]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("x", range(5))
def test_no_dial_tone_in_the_familys_words_and_as_six(name: str, x: int) -> None:
    """``X0`` to ``X4`` mean the same with all makers: which of them wait for dial tone, and say so."""
    made = bench(name)
    waits = x in (2, 4)
    words = b"NO DIAL TONE" if name in TWO_WORDS else b"NO DIALTONE"

    said = made.say(f"ATX{x}D5\r".encode(), 60.0, 60.0)
    assert said == b"\r\n%b\r\n" % (words if waits else b"NO CARRIER")
    assert made.say(f"ATV0X{x}D5\r".encode(), 60.0, 60.0) == (b"6\r" if waits else b"3\r")


@pytest.mark.parametrize(
    ("name", "x", "dial_tone", "busy_tone"),
    [
        ("usr-courier", 5, False, True),
        ("usr-courier", 6, True, True),
        ("usr-courier", 7, True, True),
        ("zyxel", 5, True, True),
        ("zyxel", 6, True, True),
        ("zyxel", 7, True, True),
        ("zyxel-comet", 7, True, True),
    ],
)
def test_what_else_x_may_be(name: str, x: int, dial_tone: bool, busy_tone: bool) -> None:
    made = bench(name)

    assert made.say(f"ATX{x}\r".encode()) == b"\r\nOK\r\n"
    settings = made.modem.settings
    assert (settings.dial_tone, settings.busy_tone) == (dial_tone, busy_tone)
    assert Bench().say(f"ATE0X{x}\r".encode()).endswith(b"\r\nERROR\r\n")


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("usr-courier", *TWO_WORDS)])
def test_others_have_no_x_beyond_four(name: str) -> None:
    assert bench(name).say(b"ATX5\r") == b"\r\nERROR\r\n"


@pytest.mark.parametrize(
    ("name", "x", "said"),
    [
        ("usr-courier", 7, b"CONNECT 33600"),
        ("hayes", 4, b"CONNECT 57600"),
        ("multitech", 4, b"CONNECT 33600"),
        ("zyxel", 0, b"CONNECT"),
        ("zyxel", 4, b"CONNECT 57600"),
        ("zyxel", 5, b"CONNECT 57600/V.34 33600"),
        ("zyxel", 6, b"CONNECT 33600"),
        ("zyxel", 7, b"CONNECT 33600/NONE"),
    ],
)
def test_what_follows_connect(name: str, x: int, said: bytes) -> None:
    """The port's rate by the factory's settings of Hayes, both rates by those of ZyXEL."""
    made = bench(name)
    made.do(PortRate(57600))

    told = made.say(f"ATX{x}".encode(), *CALLS, Trained(33600))
    assert told == b"\r\n%b\r\n" % said


def test_carriers_have_the_names_of_their_recommendations() -> None:
    made = bench("zyxel")
    made.do(PortRate(38400))

    assert made.say(b"AT", *CALLS, Trained(14400, "V32B")) == (
        b"\r\nCONNECT 38400/V.32bis 14400\r\n"
    )


FLOW = (
    ("usr-courier", "&H0&I0", (2, 0)),
    ("usr-courier", "&H1&R2&I0", (2, 2)),
    ("usr-courier", "&H2&R1&I2", (1, 1)),
    ("usr-courier", "&H3&I1", (3, 1)),
    ("multitech", "&E3", (0, 0)),
    ("multitech", "&E5&E6&E8&E11&E13", (1, 1)),
    ("multitech", "&E3&E4&E7&E8&E11&E13", (2, 2)),
    ("hayes", "&K4", (1, 1)),
    ("zyxel", "&H0", (0, 0)),
    ("zyxel", "&H4", (1, 1)),
    ("zyxel", "&H0&H3", (2, 2)),
)


@pytest.mark.parametrize(("name", "commands", "wanted"), FLOW)
def test_flow_control(name: str, commands: str, wanted: tuple[int, int]) -> None:
    made = bench(name)

    assert made.say(f"AT{commands}\r".encode()) == b"\r\nOK\r\n"
    assert made.modem.settings.flow_control == wanted


@pytest.mark.parametrize(
    ("name", "softly", "trap"),
    [("usr-courier", "&H2&I2", "&K3"), ("zyxel", "&H4", "&K3"), ("zyxel", "&H4", "&K0")],
)
def test_where_k_is_compression_it_leaves_flow_control_alone(
    name: str, softly: str, trap: str
) -> None:
    """The trap of init strings for others: OK, and XON/XOFF is still on."""
    made = bench(name)

    assert made.say(f"AT{softly}{trap}\r".encode()) == b"\r\nOK\r\n"
    assert made.modem.settings.flow_control == (1, 1)


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("usr-courier", (r"\N3", "&Q5", "W2", "&V", "&K4", "&N17", "$BA0", "&F3")),
        (
            "multitech",
            ("&K3", r"\N3", r"\Q3", "%C1", "&H1", "&B1", "$MB20000", "$MB0", "$BA2", "$C1"),
        ),
        ("hayes", ("+MS=V34", "+IFC?", "+GMM", r"\Q3", "%C0", "&H1")),
        ("zyxel", (r"\N3", "W1", "&Q5", "&H1", "&N3", "&K5", "*B1")),
        ("zyxel-comet", ("&H3", "X8")),
    ],
)
def test_what_is_not_there_is_an_error(name: str, commands: tuple[str, ...]) -> None:
    made = bench(name)
    before = made.modem.settings.copy()
    for command in commands:
        assert made.say(f"AT{command}\r".encode()) == b"\r\nERROR\r\n", command
    assert made.modem.settings == before


@pytest.mark.parametrize("name", NAMES)
def test_commands_of_a_family_are_no_commands_of_the_labs_own_modem(name: str) -> None:
    own = [command.name for command in family_file.load(Path("none"), name).commands]
    others = [each for each in own if each[0] in "$#*"]
    for command in others:
        assert Bench(factory={"E": 0}).say(f"AT{command}0\r".encode()) == b"\r\nERROR\r\n"
    assert bool(others) is (name in ("multitech", "zyxel"))


def test_the_rest_of_a_line_goes_on_behind_a_command_of_the_family() -> None:
    made = bench("multitech")

    assert made.say(b"at $ba0 $mb 14400 e1 s7=99 $sb38400\r") == b"\r\nOK\r\n"
    assert made.modem.settings["S7"] == 99
    assert made.modem.settings["E"] == 1
    assert made.modem.settings["+IPR"] == 38400
    assert made.modem.settings.offer.high == 14400
    made.say(b"AT&F\r")
    assert made.modem.settings.offer.high == 33600


def test_the_templates_of_a_courier() -> None:
    made = bench("usr-courier")
    found = {}
    for number in (0, 1, 2):
        assert made.say(f"AT&F{number}E0\r".encode()) in (
            b"\r\nOK\r\n",
            b"AT&F%d\r\r\nOK\r\n" % number,
        )
        found[number] = (made.modem.settings.flow_control, made.modem.settings.own["X"])
    assert found == {0: ((2, 0), 1), 1: ((2, 2), 7), 2: ((1, 1), 7)}


def test_registers_count_in_the_units_of_the_maker() -> None:
    """S30=2 is 20 seconds with most makers, and two minutes with Multi-Tech."""
    for made, patience_s in ((Bench(factory={"E": 0}), 20), (bench("multitech"), 120)):
        made.say(b"ATS30=2A\r", Trained(9600))
        assert made.say(patience_s - 1.0) == b""
        assert made.say(2.0) == b"\r\nNO CARRIER\r\n"
    assert bench("multitech").modem.settings.dtr_delay_s == 0
    assert Bench().modem.settings.dtr_delay_s == 0.05


def test_defaults_of_the_maker_come_back_by_f() -> None:
    made = bench("multitech")

    assert made.say(b"ATS7=99&F", b"E0S7?\r").endswith(b"\r\n045\r\n\r\nOK\r\n")
    assert bench("usr-courier").say(b"ATS7?\r") == b"\r\n060\r\n\r\nOK\r\n"


def test_who_a_modem_says_that_it_is() -> None:
    assert bench("multitech").say(b"ATI\r") == b"\r\n247\r\n\r\nOK\r\n"
    assert bench("usr-courier").say(b"ATI3\r") == (
        b"\r\nUSRobotics Courier V.Everything\r\n\r\nOK\r\n"
    )
    assert bench("zyxel").say(b"ATI0\r") == b"\r\n288\r\n\r\nOK\r\n"


def test_v_shows_what_the_family_has() -> None:
    said = bench("multitech").say(b"AT&V\r").decode()

    assert "$MB33600" in said
    assert "%E1" in said
    assert "\\N" not in said
    assert "&K" not in said
    assert "%E2" in Bench(factory={"E": 0}).say(b"AT&V\r").decode()


def test_a_stored_profile_keeps_the_familys_settings() -> None:
    made = bench("usr-courier")
    made.say(b"AT&N6&H2&W&F1E0\r", b"ATZ\r", 1.0)

    assert made.modem.settings.own["&N"] == 6
    assert made.modem.settings.own["&H"] == 2
    assert made.modem.settings.offer.high == 9600


def test_the_labs_own_modem_is_none_of_these() -> None:
    made = Bench(factory={"E": 0})

    assert made.modem.settings.own == {}
    assert made.say(b"ATV0", *CALLS, Trained(33600)) == b"%d\r" % HAYES.rates[33600]
