"""Packet rules as text: what each node of each topology gets, and that nft reads it."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from lab.linux import firewall, matches, process
from lab.topology import load, model, resolve
from lab.ways import faults
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
    plain, _, fault = plain.partition("@")
    resolved = resolve.resolve(load.load(plain), b"golden")
    resolved = faults.apply(fault, resolved) if fault else resolved
    return replace(resolved, drops=DROPS, meddling=MEDDLING) if meddled else resolved


RENDERED = [
    (name, node)
    for name in ("direct", "direct-snat", "vpn", "vpn-nat", "vpn-two-hmcs")
    for node in ("hmc", "firewall")
] + [
    ("vpn-nat", "vpn1"),
    ("upload", "firewall"),
    ("vpn-nat+faults", "internet"),
    ("direct-ipv6", "firewall"),
    ("dual-stack", "firewall"),
    ("dual-stack+faults", "internet"),
    ("vpn-nat+faults", "internet"),
    ("direct-ranges", "firewall"),
    ("ds8000", "firewall"),
    ("ds8000@network-down", "firewall"),
    ("ds8000@primary-down", "sdc"),
    ("direct-ipv6@tls-inspection", "firewall"),
    ("direct-names@tls-inspection", "firewall"),
]


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


@pytest.mark.parametrize(
    "name",
    [
        *("direct", "direct-snat", "direct-ipv6", "dual-stack"),
        *("vpn", "vpn-nat", "vpn-two-hmcs"),
    ],
)
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


def test_what_one_network_is_allowed_another_is_not() -> None:
    """OUT-05: by interface and by address."""
    resolved = topology("ds8000")
    rules = firewall.render(resolved, "firewall").splitlines()
    accepting = [line for line in rules if "allow-F-03-" in line and "accept" in line]
    assert len(accepting) == 16
    for line in accepting:
        assert ('iifname "lan-a"' in line) == ("ip saddr 192.168.10.10 " in line)
        assert ('iifname "lan-b"' in line) == ("ip saddr 192.168.20.10 " in line)
        assert 'oifname "fw-inet"' in line


def test_a_fault_that_passes_is_in_a_chain_of_its_own() -> None:
    """``lab.linux.passing`` empties it, and nothing else."""
    passing = firewall.render(topology("ds8000@network-down"), "firewall")
    staying = firewall.render(topology("ds8000@eccgw-blocked"), "firewall")
    for_itself = firewall.render(topology("ds8000@primary-down"), "sdc")
    forward, own = firewall.LOST_IN_PASSING

    assert f"chain {forward} {{" in passing
    assert f"chain {forward} {{" not in staying
    assert f"chain {firewall.LOST[0]} {{" in staying
    assert f"chain {firewall.LOST[0]} {{" not in passing
    assert f"chain {own} {{" in for_itself


def test_without_a_rule_nothing_but_replies_is_accepted() -> None:
    resolved = topology("vpn")
    assert resolved.firewall is not None
    closed = replace(resolved, firewall=replace(resolved.firewall, rules=()), dns=None)
    rules = firewall.render(closed, "firewall")
    accepting = [line.strip() for line in rules.splitlines() if line.endswith("accept")]
    assert accepting == [
        "ct state established,related accept",
        "ct state related accept",
        "ct state related accept",
    ]
    assert rules.count("policy drop;") == 3


def test_the_resolver_is_asked_from_inside_and_asks_one_server() -> None:
    resolved = topology("vpn")
    assert resolved.dns is not None
    plain = firewall.render(replace(resolved, dns=None), "firewall").splitlines()
    added = [
        line.strip()
        for line in firewall.render(resolved, "firewall").splitlines()
        if line not in plain and "lookups { }" not in line
    ]

    assert len(added) == 8
    asks = [line for line in added if "dport 53" in line]
    assert len(asks) == 4
    for line in asks:
        assert f"ip daddr {resolved.dns.server.address}" in line or "ip daddr 203.0.113.1 " in line
    assert all("ct state established accept" in line for line in added if line not in asks)


def test_a_rule_by_name_looks_into_the_set_that_the_resolver_fills() -> None:
    rules = firewall.render(topology("direct-names"), "firewall")

    assert "\tset told-esupport.ibm.com {\n\t\ttype ipv4_addr\n\t}\n" in rules
    assert "ip daddr @told-esupport.ibm.com tcp dport 443 ct state new counter" in rules
    assert "129.42.56.189 tcp" not in rules


def test_ipv6_without_a_rule_is_neighbours_and_replies_only() -> None:
    resolved = topology("direct-ipv6")
    assert resolved.firewall is not None
    closed = replace(resolved, firewall=replace(resolved.firewall, rules=()), dns=None)
    rules = [line.strip() for line in firewall.render(closed, "firewall").splitlines()]

    accepting = [rule for rule in rules if rule.endswith("accept")]
    assert accepting[0] == "ct state established,related accept"
    own = ["ct state related accept", f"{matches.NEIGHBOURS} accept"]
    assert accepting[1:] == own * 2, "of the firewall's own packets, in and out"


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (
            model.DropRule(name="a", node="internet", destination="2000::/3"),
            'ip6 daddr 2000::/3 counter name "a" drop',
        ),
        (
            model.DropRule(name="a", node="internet", source="2001:db8::1/128", protocol="tcp"),
            'ip6 saddr 2001:db8::1/128 meta l4proto tcp counter name "a" drop',
        ),
        (
            model.DropRule(name="a", node="internet", above_bytes=1400),
            'ip6 length > 1360 counter name "a" drop',
        ),
    ],
)
def test_a_loss_of_ipv6_is_a_rule_for_ipv6(rule: model.DropRule, line: str) -> None:
    lossy = replace(topology("direct-ipv6"), drops=(rule,))

    assert line in {each.strip() for each in firewall.render(lossy, "internet").splitlines()}


def test_source_addresses_change_only_where_the_topology_says_so() -> None:
    assert "snat ip to 198.51.100.2" in firewall.render(topology("vpn-nat"), "firewall")
    assert "snat" not in firewall.render(topology("vpn"), "firewall")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("drop udp/500", "drop-udp-500"), ("500", "n-500"), ("allow-F-06-1", "allow-F-06-1")],
)
def test_names_become_what_nft_can_read(name: str, expected: str) -> None:
    assert firewall.identifier(name) == expected
