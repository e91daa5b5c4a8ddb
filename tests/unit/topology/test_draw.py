"""Pictures: text, SVG, JSON and schema say what the model says, and never a secret."""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.errors import UsageError
from lab.topology import dot, draw, load
from lab.topology.model import Topology
from lab.topology.resolve import resolve

SECRETIVE = b"the seed of secrets"


def topology(name: str) -> Topology:
    return resolve(load.load(name), SECRETIVE)


def command(verb: str, *words: str) -> int:
    module = importlib.import_module(f"lab.cli.{verb}")
    parser = argparse.ArgumentParser()
    module.configure(parser)
    status = module.run(parser.parse_args(words))
    assert isinstance(status, int)
    return status


@pytest.mark.parametrize("name", load.names())
def test_the_text_names_everything(name: str) -> None:
    its = topology(name)
    text = draw.text(its)

    for part in [n.name for n in its.nodes] + [s.name for s in its.segments]:
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
    hidden = {s.psk for c in its.ipsec for s in (c.client_side, c.gateway_side)}
    hidden |= {c.account.secret for c in its.l2tp_clients}

    assert not any(secret in draw.text(its) + dot.render(its) for secret in hidden)


def test_the_path_is_highlighted_and_what_is_beside_it_is_not() -> None:
    lines = dot.render(topology("vpn")).splitlines()
    edges = {
        tuple(line.split(" [")[0].strip().replace('"', "").split(" -> ")): line
        for line in lines
        if " -> " in line
    }

    assert dot.TUNNEL in edges["hmc", "firewall"]
    assert dot.TUNNEL in edges["segment dmz", "vpn1"]
    assert "dashed" in edges["segment dmz", "vpn2"]
    assert dot.TUNNEL not in edges["vpn1", "segment core"]
    assert dot.PATH in edges["segment core", "sdc"]
    assert dot.PATH not in edges["segment dmz", "sdc"]  # the way of a leak
    assert dot.PATH not in edges["cec", "hmc"]


def test_markup_in_a_summary_stays_text() -> None:
    text = (load.folder() / "direct.yaml").read_text(encoding="utf-8")
    summary = load.load("direct").summary
    spec = load.parse(text.replace(summary, "a <b> & c>"), "x.yaml")

    assert "a &lt;b&gt; &amp; c&gt;" in dot.render(resolve(spec, b""))


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize("name", load.names())
def test_the_svg_is_one(name: str) -> None:
    root = ElementTree.fromstring(draw.svg(topology(name)))
    words = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {node.name for node in topology(name).nodes} <= words


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
    assert model["ipsec"][0]["client_side"]["psk"] == "(secret)"
    assert model["l2tp_clients"][0]["account"]["secret"] == "(secret)"

    with pytest.raises(UsageError, match="cannot be written"):
        command("show", "direct", "--svg", str(tmp_path / "no" / "such.svg"))


def test_the_schema_has_the_closed_vocabularies(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("schema") == 0
    schema = json.loads(capsys.readouterr().out)

    assert schema["additionalProperties"] is False
    assert "hmc-2007" in schema["properties"]["profile"]["enum"]
    assert "g1" in schema["properties"]["expect"]["items"]["enum"]
    assert schema["$defs"]["LinkSpec"]["properties"]["rate"]["type"] == "string"
    assert "default" not in schema["$defs"]["LinkSpec"]["properties"]["delay"]
    assert set(schema["required"]) == {"schema", "summary", "profile", "nodes", "links", "path"}
