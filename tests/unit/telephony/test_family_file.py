"""Files of families of modems: a user's own beside the topology, and every mistake with its line and fix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import codec
from lab.errors import TopologyError, UsageError
from lab.telephony import family_file
from lab.topology import dot, draw, load, modem_family, schema
from lab.topology.model import Topology
from lab.topology.modem_family import ModemFamily, find
from lab.topology.resolve import resolve
from lab.ways.dial.plan import dialers
from tests.unit.telephony.terminal import Bench

DIAL = Path(__file__).parents[3] / "topologies" / "dial.yaml"
MINE = """schema: 1
title: Acme Modems 33.6
sources: ["Acme Reference, chapter 3"]
init: AT&FE1V1Q0&C1&D2&T1
rates: { 33600: 77 }
defaults: { S7: 33 }
commands:
  "#T":
    help: how tall the modem is
    default: 2
    values: { 0-3: "" }
  "&T":
    help: flow control
    default: 0
    values: { 0: "+IFC=0,0", 1: "&K3" }
lacks: [W]
"""


def parse(text: str) -> ModemFamily:
    return family_file.parse(text, "mine.yaml", "./mine.yaml")


def topology(folder: Path, *changes: tuple[str, str]) -> Path:
    text = DIAL.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "mine-dial.yaml"
    path.write_text(text)
    return path


def on_lines(hmc: str, lig: str = "") -> list[tuple[str, str]]:
    whose = {"1-507": hmc, "1-800-555-0100": lig}
    return [
        (f'{{ number: "{number}', f'{{ modem: {modem}, number: "{number}')
        for number, modem in whose.items()
        if modem
    ]


def resolved(path: Path) -> Topology:
    return resolve(load.load(str(path)), b"")


# What is taken.


def test_a_file_of_ones_own_becomes_a_family() -> None:
    bench = Bench(family=parse(MINE))

    assert bench.say(b"ATE0#T3&T1\r").endswith(b"\r\nOK\r\n")
    assert bench.modem.settings.flow_control == (2, 2)
    assert bench.modem.settings["S7"] == 33
    assert bench.say(b"ATW1\r") == bench.say(b"AT#T4\r") == b"\r\nERROR\r\n"


def test_of_two_commands_that_begin_alike_the_longer_one_is_meant() -> None:
    longer = '  "#TA":\n    help: another\n    default: 0\n    values: { 0-9: "" }\n'
    bench = Bench(family=parse(MINE.replace('  "&T":', longer + '  "&T":')))

    assert bench.say(b"ATE0#TA9#T1\r").endswith(b"\r\nOK\r\n")
    assert (bench.modem.settings.own["#TA"], bench.modem.settings.own["#T"]) == (9, 1)


@pytest.mark.parametrize("name", modem_family.names())
def test_the_labs_own_families_name_their_sources(name: str) -> None:
    text = modem_family.folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    spec = family_file.parse(text, name, name)

    assert spec == family_file.load(Path("none"), name)
    assert text.split("sources:")[1].split("init:")[0].count("\n  - ") >= 2


def test_a_topology_names_a_family_or_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "acme.yaml").write_text(MINE)
    made = resolved(topology(tmp_path, *on_lines("sub/acme.yaml", "zyxel")))

    mine = find(made.modem_families, "hmc")
    assert mine is not None
    assert (mine.name, mine.title) == ("sub/acme.yaml", "Acme Modems 33.6")
    assert find(made.modem_families, "lig") == family_file.load(tmp_path, "zyxel")
    assert dialers(made)[0].init == "AT&FE1V1Q0&C1&D2&T1"
    again = codec.build(Topology, json.loads(codec.dump(made, reveal=True)))
    assert again.modem_families == made.modem_families, "they travel in the model"


def test_an_init_string_of_the_users_own_goes_before_the_familys(tmp_path: Path) -> None:
    changes = [*on_lines("usr-courier"), ("kind: dial\n", "kind: dial\n    init: AT&F2\n")]

    assert dialers(resolved(topology(tmp_path, *changes)))[0].init == "AT&F2"
    assert dialers(resolved(topology(tmp_path)))[0].init == "ATZ"
    assert resolved(topology(tmp_path)).modem_families == ()


def test_pictures_say_whose_modems_they_are(tmp_path: Path) -> None:
    made = resolved(topology(tmp_path, *on_lines("usr-courier", "multitech")))

    text = draw.text(made)
    assert "33.6 kbit/s, 10 ms, usr-courier" in text
    assert "33.6 kbit/s, 10 ms, multitech" in text
    assert "AT&F1E1V1Q0&C1&D2, numeric result codes: those of usr-courier" in text
    assert "10 ms, usr-courier" in dot.render(made)
    assert "numeric result codes: hayes" in draw.text(resolved(topology(tmp_path)))


def test_agents_with_different_modems_are_told_apart(tmp_path: Path) -> None:
    text = (DIAL.parent / "dial-two-hmcs.yaml").read_text()
    path = tmp_path / "two.yaml"
    path.write_text(text.replace("hmc-b: { number:", "hmc-b: { modem: zyxel, number:", 1))
    made = resolved(path)

    assert [dialer.init for dialer in dialers(made)] == ["ATZ", "AT&FE1V1Q0X6&C1&D2&H3&K4"]
    told = draw.text(made)
    assert "  modems    ATZ, numeric result codes: hayes  (hmc)\n" in told
    assert "AT&FE1V1Q0X6&C1&D2&H3&K4, numeric result codes: those of zyxel  (hmc-b)" in told


def test_the_schemas_know_them() -> None:
    modem = schema.schema()["$defs"]["LineSpec"]["properties"]["modem"]
    assert modem["anyOf"][0] == {"enum": list(modem_family.names())}

    made = schema.modem_schema()
    assert set(made["required"]) == {"schema", "title", "sources", "init"}
    assert "values" in made["$defs"]["CommandSpec"]["properties"]


# What is refused.


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("usr-curier", "did you mean usr-courier?"),
        (
            "acme",
            "known: hayes, multitech, usr-courier, zyxel, zyxel-comet; or a file, ./acme.yaml",
        ),
    ],
)
def test_a_family_that_nobody_knows(name: str, fix: str, tmp_path: Path) -> None:
    with pytest.raises(TopologyError) as caught:
        load.load(str(topology(tmp_path, *on_lines(name))))

    (issue,) = caught.value.issues
    assert issue.place == "telephone.hmc.modem"
    assert issue.problem == f"there is no family of modems {name!r}"
    assert issue.suggestion == fix


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file \./acme\.yaml") as caught:
        load.load(str(topology(tmp_path, *on_lines("./acme.yaml"))))
    assert "relative to the folder of the topology's file" in caught.value.hint


def test_result_codes_of_the_exchange_where_no_modem_gives_them(tmp_path: Path) -> None:
    ibm = ("role: exchange", "role: exchange, result_codes: ibm")
    with pytest.raises(TopologyError) as caught:
        load.load(str(topology(tmp_path, ibm, *on_lines("hayes", "hayes"))))
    (issue,) = caught.value.issues
    assert issue.place == "nodes.pstn.result_codes"
    assert issue.suggestion == "take it out"

    assert load.load(str(topology(tmp_path, ibm, *on_lines("hayes"))))


def test_mistakes_of_a_file_are_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(MINE.replace("rates:", "rats:"))
    with pytest.raises(TopologyError) as caught:
        load.load(str(topology(tmp_path, *on_lines("./acme.yaml"))))
    assert str(caught.value).startswith("./acme.yaml has 1 error(s):\n  line 5: rats: unknown key")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            MINE,
            "- a\n",
            "line 1: top level: a family of modems is a mapping of keys to values; it begins",
        ),
        ("schema: 1", "schema: 2", "line 1: schema: must be 1, not 2"),
        ("rates:", "rats:", "line 5: rats: unknown key; did you mean rates?"),
        ("init: AT&FE1V1Q0&C1&D2&T1\n", "", "line 1: init: is missing (words, RTS/CTS, DCD as the"),
        (
            "init: AT",
            "init: +++",
            "line 4: init: must be a modem command such as ATZ, not '+++&FE1",
        ),
        ('["Acme Reference, chapter 3"]', "[]", "line 3: sources: must have 1 entry at least"),
        ("33600: 77", "33600: 300", "line 5: rates.33600: must be 255 at most"),
        ("33600: 77", "fast: 77", "line 5: rates.fast: is no rate in bit/s; such as 28800"),
        ("S7: 33", "S7: 0", "line 6: defaults.S7: '0' is none of 1-255"),
        (
            "S7: 33",
            "S99: 0",
            "line 6: defaults.S99: is nothing that the lab's own modem has; did you",
        ),
        (
            "S7: 33",
            '"#T": 3',
            "line 6: defaults.#T: is a command of the family's own; give that its",
        ),
        ("default: 2", "default: 4", "line 10: commands.#T.default: is not among the values: 4"),
        (
            "0-3:",
            "3-0:",
            "line 11: commands.#T.values.3-0: 3-0 has a span that ends before it begins",
        ),
        (
            "0-3:",
            "all:",
            "line 11: commands.#T.values.all: must be numbers, such as 3, 0-255 or 0,3-5",
        ),
        ('0-3: ""', "0-3: 7", 'line 11: commands.#T.values.0-3: must be text in quotes: "7"'),
        (
            '"&K3"',
            '"&K1"',
            "line 15: commands.&T.values.1: the lab's own modem does not take &K1: &K:",
        ),
        (
            '"&K3"',
            '"H"',
            "line 15: commands.&T.values.1: H is no setting of the lab's own modem; take",
        ),
        ('"&K3"', '"S7?"', "line 15: commands.&T.values.1: S is no setting of the lab's own modem"),
        ('"&K3"', '"#T1"', "line 15: commands.&T.values.1: the lab's own modem does not take #T1"),
        (
            '  "#T":',
            '  "&D":',
            "line 8: commands.&D: means the same with all modems of the lab; take it",
        ),
        (
            '  "#T":',
            '  "+T":',
            "line 8: commands.+T: is no name of a command; such as X, &H, $MB, #P",
        ),
        (
            "    help: how tall the modem is\n",
            "",
            "line 8: commands.#T.help: is missing (what it is for",
        ),
        (
            "lacks: [W]",
            "lacks: [E]",
            "line 16: lacks[0]: the lab says E to every modem; take it out",
        ),
        (
            "lacks: [W]",
            "lacks: [S98]",
            "line 16: lacks[0]: the lab's own modem has no S98; did you",
        ),
        (
            "lacks: [W]",
            'lacks: ["&T"]',
            "line 16: lacks[0]: &T is among the commands, too; take it out",
        ),
        (
            "lacks: [W]",
            "stored: 1",
            "line 16: stored: there is no factory: 1; name one that is there",
        ),
        (
            "lacks: [W]",
            "factory: { 1: X9 }",
            "line 16: factory: cannot be set: X: '9' is none of 0-4;",
        ),
        ("lacks: [W]", "factory: { a: X1 }", "line 16: factory.a: is no number of &F; such as 1"),
        (
            "lacks: [W]",
            "texts: { Q0: x }",
            "line 16: texts.Q0: says nothing of the modem; I0 to I99",
        ),
        ("lacks: [W]", "texts: { I0: 336 }", 'line 16: texts.I0: must be text in quotes: "336"'),
        (
            "lacks: [W]",
            "units: { S7: 1min }",
            "line 16: units.S7: has one unit with all makers; S25 and",
        ),
        (
            "lacks: [W]",
            "no_dialtone: NIX",
            "line 16: no_dialtone: must be NO DIALTONE or NO DIAL TONE",
        ),
        (
            "lacks: [W]",
            'connect: { X5: "{rate}" }',
            "line 16: connect.X5: is no command of the family's",
        ),
        (
            "lacks: [W]",
            'connect: { "#T2": "{x}" }',
            "line 16: connect.#T2: has another field; fields",
        ),
        (
            "&D2&T1",
            "&D2",
            "line 4: init: after it the port has no RTS/CTS flow control; add the family's",
        ),
        (
            "&D2&T1",
            "&D1&T1",
            "line 4: init: after it the modem does not hang up when DTR goes; add &D2",
        ),
        ("&C1", "&C0", "line 4: init: after it DCD does not follow the carrier; add &C1"),
        ("V1Q0", "V0Q0", "line 4: init: after it results are numbers; add V1"),
        ("V1Q0", "V1Q1", "line 4: init: after it there are no results; add Q0"),
        (
            "V1Q0",
            "V1W1Q0",
            "line 4: init: the modem answers ERROR: W1 is not there; take commands that",
        ),
    ],
)
def test_what_is_wrong_with_a_file(old: str, new: str, told: str) -> None:
    assert MINE.count(old) == 1 or old == MINE
    with pytest.raises(TopologyError) as caught:
        parse(MINE.replace(old, new))
    assert str(caught.value.issues[0]).startswith(told)
