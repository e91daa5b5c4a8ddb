"""A second NAT and routers between the customer's firewall and the Internet: what is on each wire."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.wire.decode import UDP, Packet
from lab.wire.isakmp import NAT_T_PORT
from tests.integration.labs import ROOT, Ran, Runs

pytestmark = pytest.mark.kernel

DOUBLE = ROOT / "tests/data/topologies/vpn-double-nat.yaml"
FIREWALL = "firewall: { role: firewall, snat: true }"
CGNAT = "cgnat:    { role: router, snat: true }"


UNTESTED = {"ds8000": {"R-02", "R-09"}}
"""What these are not put to the test by without a second NAT either: every server answers."""


def edited(folder: Path, given: Path, *changes: tuple[str, str]) -> str:
    """A file with something else wherever it is in it."""
    text = given.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = folder / "edited.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def behind_cgnat(folder: Path, name: str) -> str:
    """One of the lab's own topologies with a carrier's NAT at the customer's end of the access line."""
    text = (ROOT / "topologies" / f"{name}.yaml").read_text(encoding="utf-8")
    line = re.search(r"  fw-inet:.*?\n    nodes: \{[^}]*\}\n", text, re.DOTALL)
    assert line is not None
    access = line[0].replace("198.51.100.", "100.64.0.").replace("db8:51", "db8:52")
    carrier = line[0].replace("fw-inet:", "carrier:").replace("firewall:", "cgnat:")
    text = text.replace(line[0], access.replace("internet:", "cgnat:") + carrier)
    node = r"\n  internet: +\{ role: internet \}"
    text, number = re.subn(node, f"\n  {CGNAT}\n  internet: {{ role: internet }}", text, count=1)
    assert number == 1
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def sources(ran: Ran, node: str, segment: str) -> set[str]:
    """From which addresses a node sends on a wire."""
    return {packet.source for _, packet in ran.case.sent_by(node, segment)}


def test_each_nat_has_its_own_address_and_the_server_sees_the_last(runs: Runs) -> None:
    ran = runs.get("direct-cgnat")

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert sources(ran, "hmc", "lan") == {"192.168.10.10"}
    assert sources(ran, "firewall", "access") == {"100.64.0.2"}
    assert sources(ran, "cgnat", "carrier") == {"198.51.100.2"}
    assert {entry.peer_ip for entry in ran.case.ledger} == {"198.51.100.2"}
    assert "then from 198.51.100.2 by carrier" in ran.findings["OUT-03"]["seen"]


def test_who_tries_to_get_in_gets_no_further_than_the_last_nat(runs: Runs) -> None:
    ran = runs.get("direct-cgnat")

    assert {probe.destination for probe in ran.record.probes} == {"198.51.100.2"}
    assert not any(probe.answered for probe in ran.record.probes)
    assert ran.record.counters["cgnat"]["unasked"] >= len(ran.record.probes)
    begun = [p for _, p in ran.case.sent_by("cgnat", "access") if p.is_bare_syn]
    assert not begun
    # Nor does the router answer for itself.
    said = [p for _, p in ran.case.sent_by("cgnat", "carrier") if p.is_reset]
    assert not said


def test_two_clients_come_through_two_nats_by_nat_traversal(runs: Runs) -> None:
    ran = runs.get(str(DOUBLE))

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert {call.agent for call in ran.record.calls if call.succeeded} == {"hmc", "hmc-b"}

    def is_nat_t(packet: Packet) -> bool:
        return packet.protocol == UDP and packet.destination_port == NAT_T_PORT

    on_dmz = [p for _, p in ran.case.packets("dmz") if is_nat_t(p) and p.source[:7] == "198.51."]
    # Two clients behind one address are two ports.
    assert {packet.source for packet in on_dmz} == {"198.51.100.2"}
    assert len({packet.source_port for packet in on_dmz}) == 2
    assert sources(ran, "branch", "access") == {"10.7.0.1"}


@pytest.mark.parametrize(
    ("changes", "port"),
    [
        # NAT at the router alone: F-07 as behind any NAT.
        (((FIREWALL, "firewall: { role: firewall }"),), True),
        # No NAT at all: F-06, through two routers.
        (
            (
                (FIREWALL, "firewall: { role: firewall }"),
                (CGNAT, "cgnat:    { role: router }"),
                ("192.168.10.", "203.0.113."),
                ("10.7.0.", "203.0.114."),
                ("F-07", "F-06"),
                ("OUT-20", "OUT-19"),
            ),
            False,
        ),
    ],
)
def test_where_nat_is_decides_how_the_vpn_goes(
    changes: tuple[tuple[str, str], ...], port: bool, tmp_path: Path, runs: Runs
) -> None:
    ran = runs.get(edited(tmp_path, DOUBLE, *changes))

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert ran.findings["F-07" if port else "F-06"]["verdict"] == "pass"
    used = any(p.uses_udp(NAT_T_PORT) for _, p in ran.case.packets("dmz"))
    assert used is port


def test_a_router_without_nat_changes_nothing(tmp_path: Path, runs: Runs) -> None:
    path = edited(
        tmp_path,
        ROOT / "topologies/direct-cgnat.yaml",
        ("{ role: router, snat: true }  ", "{ role: router }"),
        ("100.64.0.", "203.0.114."),
    )
    ran = runs.get(path)

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert {entry.peer_ip for entry in ran.case.ledger} == {"203.0.114.2"}


@pytest.mark.parametrize("name", ["simplified", "proxy", "dual-stack", "direct-names", "ds8000"])
def test_every_direct_way_goes_through_a_second_nat(name: str, tmp_path: Path, runs: Runs) -> None:
    """Errands, proxies, IPv6 beside it, servers that move, and two networks of the customer's."""
    ran = runs.get(behind_cgnat(tmp_path, name))

    assert (ran.status, ran.failed) == (0, set()), ran.told
    untested = {n for n, f in ran.findings.items() if f["verdict"] == "not-applicable"}
    assert untested == UNTESTED.get(name, set()), ran.told
    seen = {entry.peer_ip for entry in ran.case.ledger if ":" not in entry.peer_ip}
    assert seen == {"198.51.100.2"}
