"""The table of roles: every role is in it, other parts know its words, and docs/extending.md explains it."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from lab.errors import TopologyError
from lab.topology import load, roles
from lab.topology.dot import ZONES
from lab.topology.resolve import resolve
from lab.topology.roles import TRAITS, Role, Traits
from lab.topology.spec import NodeSpec

REPO = Path(__file__).resolve().parents[3]


def test_every_role_has_traits() -> None:
    assert list(TRAITS) == list(Role)


@pytest.mark.parametrize("role", Role)
def test_what_the_traits_name_is_there(role: Role) -> None:
    traits = TRAITS[role]

    assert traits.title
    assert traits.article in ("a", "an")
    assert traits.zone is None or traits.zone in ZONES
    assert {*traits.takes} < NodeSpec.model_fields.keys()
    assert (traits.pool is not None) == ("pool" in traits.takes)
    assert not traits.answers_calls or "modems" in traits.takes
    assert not traits.needed or traits.only_one, "it is looked up as the only one"
    if traits.service:
        start = importlib.import_module(traits.service).start
        assert [*inspect.signature(start).parameters] == ["ground", "node"]


def test_every_key_of_a_node_is_taken_by_some_role() -> None:
    assert {key for traits in TRAITS.values() for key in traits.takes} == (
        NodeSpec.model_fields.keys() - {"role"}
    )


def test_it_is_data_only() -> None:
    tree = ast.parse(inspect.getsource(roles))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"__future__", "dataclasses", "enum", "types"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]


def test_extending_explains_every_trait() -> None:
    section = (REPO / "docs" / "extending.md").read_text().partition("## A role\n")[2]
    section = section.partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [f.name for f in fields(Traits)]


def test_the_page_on_topologies_knows_every_role() -> None:
    page = (REPO / "docs" / "topologies.md").read_text()
    rows = re.findall(
        r"^\| (.*?) \|", page.partition("| role |")[2].partition("\n\n")[0], re.MULTILINE
    )
    assert {name for row in rows for name in re.findall("`([a-z0-9-]+)`", row)} == {*Role}
    several = re.search("There is one of each at most, but for (.*?)\\. ", page)
    assert several is not None
    assert re.findall("`([a-z0-9-]+)`", several[1]) == [r for r in Role if not TRAITS[r].only_one]


def test_a_node_is_what_its_role_says_and_not_what_its_name_says() -> None:
    """A host that is called as a listed VPN gateway is none."""
    text = (load.folder() / "direct.yaml").read_text().replace("hmc-2017-simplified", "hmc-2007")
    made = resolve(load.parse(re.sub(r"\bcec\b", "vpn1", text), "x"), b"")

    assert made.node("vpn1").service_addresses == ()
    assert ("192.168.128.10", "vpn1.customer.test") in made.node("hmc").hosts


@pytest.mark.parametrize("name", ["pstn", "switch"])
def test_a_link_is_not_called_as_the_capture_of_calls(name: str) -> None:
    text = (load.folder() / "dial.yaml").read_text().replace("pstn:", "switch:")
    with pytest.raises(TopologyError, match=f"links.{name}: the name is taken"):
        load.parse(text.replace("  dmz:", f"  {name}:"), "x")


def test_a_missing_node_is_suggested_under_a_name_that_is_free() -> None:
    text = (load.folder() / "dial.yaml").read_text()
    for old, new in (("sdc", "pstn-2"), ("pstn", "lig-2"), ("hmc", "sdc"), ("firewall", "pstn")):
        text = re.sub(rf"\b{old}:", f"{new}:", text)
    text = text.replace("role: sdc", "role: host").replace("role: exchange", "role: host")
    with pytest.raises(TopologyError) as caught:
        load.parse(text, "x")

    assert "add sdc-2: { role: sdc }" in caught.value.message
    assert "add pstn-3: { role: exchange }" in caught.value.message
