"""Pictures: text, SVG, JSON and schema say what the model says, and never a secret."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.cli import show
from lab.errors import UsageError
from lab.secret import Secret, find
from lab.topology import dot, draw, load
from lab.topology.model import Topology
from lab.topology.resolve import resolve
from lab.topology.telephone import Outcome
from tests.models import model

SECRETIVE = b"the seed of secrets"


def topology(name: str) -> Topology:
    return model(name, SECRETIVE)


def command(verb: str, *words: str) -> int:
    module = importlib.import_module(f"lab.cli.{verb}")
    parser = argparse.ArgumentParser()
    module.configure(parser)
    status = module.run(parser.parse_args(words))
    assert isinstance(status, int)
    return status


def drawn(its: Topology) -> list[str]:
    """The name of every node; nodes that a file names once are told together."""
    alike = {member for each in its.fleets for member in each.members}
    return [n.name for n in its.nodes if n.name not in alike] + [f.title for f in its.fleets]


@pytest.mark.parametrize("name", load.names())
def test_the_text_names_everything(name: str) -> None:
    its = topology(name)
    text = draw.text(its)

    for part in drawn(its) + [s.name for s in its.segments]:
        assert part in text
    for rule in its.firewall.rules if its.firewall else ():
        assert rule.destination in text
        assert rule.requirement in text
    for requirement in its.expect:
        assert requirement in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("name", load.names())
def test_no_picture_holds_a_secret(name: str) -> None:
    its = topology(name)
    hidden = {each.reveal() for _, each in find(its, Secret)}

    assert not any(secret in draw.text(its) + dot.render(its) for secret in hidden)


def edges(topology: Topology) -> dict[tuple[str, ...], str]:
    return {
        tuple(line.split(" [")[0].strip().replace('"', "").split(" -> ")): line
        for line in dot.render(topology).splitlines()
        if " -> " in line
    }


def test_the_path_is_highlighted_and_what_is_beside_it_is_not() -> None:
    drawn = edges(topology("vpn"))

    assert dot.TUNNEL in drawn["hmc", "firewall"]
    assert dot.TUNNEL in drawn["segment dmz", "vpn1"]
    assert "dashed" in drawn["segment dmz", "vpn2"]
    assert dot.TUNNEL not in drawn["vpn1", "segment core"]
    assert dot.PATH in drawn["segment core", "sdc"]
    assert dot.PATH not in drawn["segment dmz", "sdc"]  # the way of a leak
    assert dot.PATH not in drawn["cec", "hmc"]


def test_telephone_lines_are_dashed_and_the_path_goes_over_them() -> None:
    drawn = edges(topology("dial"))

    for ends in (("hmc", "pstn"), ("pstn", "lig")):
        assert "dashed" in drawn[ends]
        assert dot.PATH in drawn[ends]
    assert dot.PATH in drawn["lig", "internet"]
    assert dot.PATH in drawn["internet", "sdc"]
    assert dot.PATH not in drawn["firewall", "hmc"]
    assert dot.PATH not in drawn["firewall", "internet"]


def test_the_exchange_has_a_row_for_each_subscriber() -> None:
    rows = re.findall(r"<tr>(.*?)</tr>", dot.render(topology("dial-two-hmcs")))
    words = [re.findall(r">([^<>]+)<", row) for row in rows]

    assert [cells for cells in words if cells[0].startswith("1")] == [
        ["15075550101", "hmc", "1 line, 33.6 kbit/s, 10 ms"],
        ["15075550102", "hmc-b", "1 line, 14.4 kbit/s, 10 ms"],
        ["18005550100", "lig", "2 lines, 33.6 kbit/s, 10 ms"],
    ]


def varied(name: str, *changes: tuple[str, str]) -> Topology:
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return resolve(load.parse(text, "varied.yaml"), SECRETIVE)


def test_a_telephone_beside_another_path_is_drawn_thin() -> None:
    its = varied(
        "vpn",
        ("hmc:      { role: hmc }", "hmc: { role: hmc, modems: 2 }\n  pstn: { role: exchange }"),
        ("ways:\n", 'telephone: { hmc: { number: "1-507-555-0101" } }\n\nways:\n'),
    )

    assert dot.PATH not in edges(its)["hmc", "pstn"]
    assert "beside the path: pstn    the telephone" in draw.text(its)
    assert "hmc: 2 lines, 15075550101       33.6 kbit/s, 10 ms" in draw.text(its)


def test_what_befalls_calls_is_told_in_its_order_and_by_node() -> None:
    its = varied(
        "dial",
        ("hmc:      { role: hmc, modems: 1 }", "hmc: { role: hmc, modems: 2 }"),
        (
            "ways:\n",
            "calls:\n"
            '  - { outcome: busy, from: hmc, to: "1-800-555-0100", times: 1 }\n'
            "  - { outcome: line-drops, from: hmc-2, after: 5kB, rate: 14400, times: 2 }\n"
            "  - { outcome: line-drops, from: lig, after: 1.5s }\n"
            "  - { outcome: voice, times: 1 }\n"
            "  - { outcome: noise, bit_error_rate: 4e-5, rate: 9600 }\n"
            "ways:\n",
        ),
    )
    block = draw.text(its).partition("What befalls calls")[2].split("\n\n")[0]

    assert block.splitlines()[1:] == [
        "  busy            from hmc to 18005550100, 1 call of each line",
        "  line-drops      from hmc-2, 14400 bit/s at most, after 5 kB, 2 calls of each line",
        "  line-drops      from lig, after 1.5 s",
        "  voice           from any line, 1 call of each line",
        "  noise           from any line, 9600 bit/s at most, 4e-05 of the bits",
    ]
    assert "What befalls calls" not in draw.text(topology("dial"))


def test_an_agent_without_modem_and_without_a_way_to_the_internet_is_drawn() -> None:
    its = varied(
        "dial",
        ("hmc:      { role: hmc, modems: 1 }", "hmc: { role: hmc }\n  cec: { role: host }"),
        ('  hmc: { number: "1-507-555-0101", rate: 33600, delay: 10ms }\n', ""),
        ("hmc: 192.168.10.10,", "hmc: 192.168.10.10, cec: ,"),
        ("firewall: { role: firewall, snat: true }", "firewall: { role: host }"),
    )

    assert "192.168.10.10  agent, no modems" in draw.text(its)
    assert ("hmc", "pstn") not in edges(its)


def test_markup_in_a_summary_stays_text() -> None:
    text = (load.folder() / "direct.yaml").read_text(encoding="utf-8")
    summary = load.load("direct").summary
    spec = load.parse(text.replace(summary, "a <b> & c>"), "x.yaml")

    assert "a &lt;b&gt; &amp; c&gt;" in dot.render(resolve(spec, b""))


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize("name", load.names())
def test_the_svg_is_one(name: str) -> None:
    root = ElementTree.fromstring(show.svg(topology(name)))
    words = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {*drawn(topology(name))} <= words


PAGE_PX, PX_A_POINT = 900, 96 / 72


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize("name", load.names())
def test_the_svg_is_not_made_smaller_on_a_page_and_its_letters_can_be_read(name: str) -> None:
    text = show.svg(topology(name))
    root = ElementTree.fromstring(text)
    sizes = [float(size) for size in re.findall(r'font-size="([0-9.]+)"', text)]

    assert float(root.get("width", "").removesuffix("pt")) * PX_A_POINT <= PAGE_PX
    assert min(sizes) >= dot.SMALL


def test_partitions_stand_in_a_row_beside_the_wire_of_their_hmc() -> None:
    row = '{ rank=same; "segment lan" -> "lpar-1" -> "lpar-2" -> "lpar-3" [style=invis]; }'

    assert row in dot.render(topology("service-vpn"))
    assert "rank=same" not in dot.render(topology("vpn"))


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("ursf", ["129.42.160.49", "198.74.67.240", "198.74.67.235", "129.35.224.112"]),
        ("upload", ["204.146.30.17", "170.225.15.31", "170.225.15.41", "207.25.252.197"]),
        (
            "direct-ipv6",
            [f"2620:0:6c{n}:200:129:42:{m}:189" for n, m in ((0, 56), (2, 60), (4, 54))],
        ),
    ],
)
def test_of_a_servers_addresses_those_that_are_called_come_first(
    name: str, addresses: list[str]
) -> None:
    its = topology(name)
    label = next(line for line in dot.render(its).splitlines() if line.startswith('    "sdc" ['))
    drawn = [
        word for word in re.findall(r">([^<>]+)<", label) if re.fullmatch(r"[0-9a-f.:]+", word)
    ]

    assert drawn == addresses
    assert f"sdc       {addresses[0]} and " in draw.text(its)


def test_names_that_a_firewall_opens_and_servers_that_move_are_told() -> None:
    its = topology("direct-names")

    text, picture = draw.text(its), dot.render(its)
    assert "default deny, opens names" in text
    assert "esupport.ibm.com, by name (F-05)" in text
    assert "  esupport.ibm.com moves to 192.148.6.11 (esa-aix-2025)\n" in text
    assert "<br/>opens names<" in picture
    assert ">later 192.148.6.11<" in picture
    assert "<br/>opens ranges<" in dot.render(topology("direct-ranges"))


def test_the_picture_says_what_a_server_behind_the_front_end_does() -> None:
    assert ">serves enrolment, inventory<" in dot.render(topology("simplified"))


def test_the_rules_have_one_column_for_destinations() -> None:
    rules = [line for line in draw.text(topology("ds8000")).splitlines() if " -> " in line]

    assert len(rules) == 4
    assert len({line.index(" -> ") for line in rules}) == 1


def test_port_80_is_asked_for_by_the_downloads_that_use_it() -> None:
    firewall = topology("simplified").firewall
    assert firewall is not None
    assert {rule.requirement for rule in firewall.rules if rule.port == 80} == {"OUT-41"}


def test_faults_of_one_name_are_both_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("faults") == 0
    listed = [line.split(None, 2) for line in capsys.readouterr().out.splitlines()]

    assert len([words for words in listed if words[0] == "dns-silent"]) == 2
    assert len([words for words in listed if words[0] == "pool-empty"]) == 2


def test_list_is_a_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("list") == 0
    table = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in table[1:]] == list(load.names())

    assert command("list", "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == list(load.names())


def test_show_is_text_json_or_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command("show", "vpn-nat") == 0
    assert capsys.readouterr().out.startswith("vpn-nat: ")

    assert command("show", "vpn-nat", "--json") == 0
    model = json.loads(capsys.readouterr().out)
    assert model["ways"][0]["connections"][0]["client_side"]["psk"] == "(secret)"
    assert model["ways"][0]["clients"][0]["account"]["secret"] == "(secret)"

    with pytest.raises(UsageError, match="cannot be written"):
        command("show", "direct", "--svg", str(tmp_path / "no" / "such.svg"))


def test_the_schema_has_the_closed_vocabularies(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("schema") == 0
    schema = json.loads(capsys.readouterr().out)

    assert schema["additionalProperties"] is False
    assert "hmc-2007" in schema["properties"]["profile"]["anyOf"][0]["enum"]
    assert "g1" in schema["properties"]["expect"]["items"]["enum"]
    assert schema["$defs"]["LinkSpec"]["properties"]["rate"]["type"] == "string"
    assert schema["$defs"]["LineSpec"]["properties"]["rate"]["enum"][-1] == 33600
    assert schema["$defs"]["LineSpec"]["properties"]["number"]["type"] == "string"
    call = schema["$defs"]["CallSpec"]
    assert call["properties"].keys() >= {"outcome", "from", "to", "times", "after"}
    assert call["required"] == ["outcome"]
    assert schema["$defs"]["Outcome"]["enum"] == [outcome.value for outcome in Outcome]
    assert "default" not in schema["$defs"]["DialSpec"]["properties"]["pause"]
    assert "default" not in schema["$defs"]["LinkSpec"]["properties"]["delay"]
    assert set(schema["required"]) == {
        "schema",
        "summary",
        "profile",
        "nodes",
        "links",
        "ways",
        "agents",
    }


def test_what_is_beside_the_tunnel_on_its_wire_is_not_drawn_inside() -> None:
    """Of ``failover``: callers by modem come to sdc over the wire that the gateways are on."""
    its = model("failover", SECRETIVE)

    assert dot.TUNNEL in edges(its)["segment dmz", "vpn1"]
    assert dot.TUNNEL not in edges(its)["segment dmz", "sdc"]
    assert dot.PATH in edges(its)["segment dmz", "sdc"]
