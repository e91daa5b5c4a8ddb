"""Packet rules as text: what each node of each topology gets, and that nft reads it."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from lab.linux import firewall, process
from lab.topology import load, model, resolve
from tests import golden

DROPS = (
    model.DropRule(
        name="drop-udp-500",
        node="internet",
        protocol="udp",
        port=500,
        above_bytes=0,
        source="0.0.0.0/0",
        destination="129.42.160.16/32",
    ),
    model.DropRule(
        name="small-mtu",
        node="internet",
        protocol="any",
        port=0,
        above_bytes=1400,
        source="0.0.0.0/0",
        destination="0.0.0.0/0",
    ),
)
MEDDLING = tuple(
    model.EspMeddling(node="internet", action=action, packets=2) for action in ("tamper", "replay")
)


def topology(name: str) -> model.Topology:
    plain, _, meddled = name.partition("+")
    resolved = resolve.resolve(load.load(plain), b"golden")
    return replace(resolved, drops=DROPS, meddling=MEDDLING) if meddled else resolved


RENDERED = [
    (name, node)
    for name in ("direct", "direct-snat", "vpn", "vpn-nat", "vpn-two-hmcs")
    for node in ("hmc", "firewall")
] + [("vpn-nat", "vpn1"), ("vpn-nat+faults", "internet"), ("upload", "firewall")]


@pytest.mark.parametrize(("name", "node"), RENDERED)
def test_the_rules_of_a_node_are_as_reviewed(name: str, node: str) -> None:
    rules = firewall.render(topology(name), node)

    file = golden.DATA / "render" / name / f"{node}.nft"
    assert rules == golden.reviewed(file, rules), golden.HINT


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="nft -c needs root")
@pytest.mark.parametrize(("name", "node"), RENDERED)
def test_nft_accepts_the_rules(name: str, node: str) -> None:
    rules = firewall.render(topology(name), node)
    # unshare: the check asks the kernel for the chains that are there already.
    argv = ("unshare", "--net", "nft", "--check", "--file", "-")
    process.run(argv, deadline_s=10, input=rules)


def test_a_node_without_a_part_in_it_has_no_rules() -> None:
    assert firewall.render(topology("vpn-nat"), "sdc") == ""


@pytest.mark.parametrize("name", ["direct", "direct-snat", "vpn", "vpn-nat", "vpn-two-hmcs"])
def test_every_rule_of_the_model_is_one_counted_rule_in_each_of_its_directions(name: str) -> None:
    resolved = topology(name)
    assert resolved.firewall is not None
    rules = firewall.render(resolved, "firewall").splitlines()
    for rule, counter in zip(
        resolved.firewall.rules, firewall.allow_counters(resolved.firewall), strict=True
    ):
        accepting = [line for line in rules if f'"{counter}" accept' in line]
        both = rule.both_ways and not resolved.firewall.snat
        assert len(accepting) == (2 if both else 1)
        assert all(f'comment "{rule.requirement}"' in line for line in accepting)


def test_without_a_rule_nothing_but_replies_is_accepted() -> None:
    resolved = topology("vpn")
    assert resolved.firewall is not None
    closed = replace(resolved, firewall=replace(resolved.firewall, rules=()))
    rules = firewall.render(closed, "firewall")
    accepting = [line.strip() for line in rules.splitlines() if line.endswith("accept")]
    assert accepting == [
        "ct state established,related accept",
        "ct state related accept",
        "ct state related accept",
    ]
    assert rules.count("policy drop;") == 3


def test_source_addresses_change_only_where_the_topology_says_so() -> None:
    assert "snat ip to 198.51.100.2" in firewall.render(topology("vpn-nat"), "firewall")
    assert "snat" not in firewall.render(topology("vpn"), "firewall")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("drop udp/500", "drop-udp-500"), ("500", "n-500"), ("allow-F-06-1", "allow-F-06-1")],
)
def test_names_become_what_nft_can_read(name: str, expected: str) -> None:
    assert firewall.identifier(name) == expected
