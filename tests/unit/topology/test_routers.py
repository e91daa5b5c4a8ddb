"""Routers between the customer's firewall and the Internet: routes, NAT, rules, pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from lab.errors import TopologyError
from lab.linux import firewall
from lab.record.record import Record
from lab.topology import dot, draw, load
from lab.topology.model import Topology
from lab.topology.resolve import resolve
from lab.verify.case import Case
from lab.ways.vpn import picture, wires
from lab.ways.vpn.plan import plans
from lab.wire.decode import read_frame
from tests.unit.topology.test_resolve import walk

DOUBLE = Path(__file__).parents[2] / "data/topologies/vpn-double-nat.yaml"
BRANCH, CGNAT = "branch:   { role: router }", "cgnat:    { role: router, snat: true }"
WALL = "firewall: { role: firewall, snat: true }"


def double(*changes: tuple[str, str]) -> Topology:
    text = DOUBLE.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return resolve(load.parse(text, str(DOUBLE)), b"seed")


def test_routers_stand_in_a_row_behind_the_firewall() -> None:
    row = double().routers

    assert [(r.node, r.inside, r.outside, r.snat) for r in row] == [
        ("branch", "site", "access", False),
        ("cgnat", "access", "carrier", True),
    ]


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ((), "198.51.100.2"),
        (((CGNAT, "cgnat:    { role: router }"), ("10.7.0.0/30", "203.0.114.0/30")), "203.0.114.1"),
        (((WALL, "firewall: { role: firewall }"),), "198.51.100.2"),
        (
            (
                (WALL, "firewall: { role: firewall }"),
                (CGNAT, "cgnat:    { role: router }"),
                ("192.168.10.", "203.0.113."),
                ("10.7.0.", "203.0.114."),
            ),
            "",
        ),
    ],
)
def test_the_internet_sees_the_address_of_the_last_nat(
    changes: tuple[tuple[str, str], ...], seen: str
) -> None:
    made = double(*changes)

    assert made.seen_address == seen
    assert picture.outer(made, plans(made)[0]) == ("UDP 4500" if seen else "ESP")
    home = seen or "203.0.113.10"
    assert walk(made, "vpn1", home)[-1] == {"198.51.100.2": "cgnat", "203.0.114.1": "firewall"}.get(
        seen, "hmc"
    )


def test_behind_any_nat_the_papers_ask_for_udp_4500() -> None:
    made = double((WALL, "firewall: { role: firewall }"))
    assert made.firewall is not None
    rules = [rule for rule in made.firewall.rules if rule.source == "192.168.10.10"]

    assert {(r.requirement, r.protocol, r.port) for r in rules if r.protocol != "icmp-echo"} == {
        ("F-07", "udp", 500),
        ("F-07", "udp", 4500),
    }
    # UDP is in the way of PPP's packets, too.
    assert plans(made)[0].clients[0].mtu == plans(double())[0].clients[0].mtu


@pytest.mark.parametrize("snat", [True, False])
def test_esp_that_is_not_in_udp_belongs_to_no_way_behind_nat(snat: bool, tmp_path: Path) -> None:
    """g4: also where the firewall does none, and the router does."""
    nat = () if snat else ((CGNAT, "cgnat:    { role: router }"), ("10.7.0.", "203.0.114."))
    made = double((WALL, "firewall: { role: firewall }"), ("192.168.10.", "203.0.113."), *nat)
    esp = bytes(Ether() / IP(src="203.0.113.10", dst="129.42.160.16", proto=50) / Raw(bytes(40)))
    frame = read_frame("site", 1, 1.0, esp)
    assert frame.ip is not None

    assert wires.allows(Case(made, Record(), tmp_path), frame, frame.ip) is not snat
    assert ("4500" in wires.title(made)) is snat


def test_what_nat_hides_has_no_route_outside() -> None:
    made = double()
    known = {
        name: {route.destination for route in made.node(name).routes}
        for name in ("branch", "cgnat", "internet")
    }

    assert not [name for name, routes in known.items() if "192.168.10.0/24" in routes]
    assert "10.7.0.0/30" in known["cgnat"]
    assert not {"10.7.0.0/30", "100.64.0.0/30"} & known["internet"]
    # Without NAT at the firewall a router knows the customer's network.
    plain = double((WALL, "firewall: { role: firewall }"))
    assert "192.168.10.0/24" in {route.destination for route in plain.node("cgnat").routes}


def test_a_narrow_link_behind_the_firewall_makes_ppp_smaller() -> None:
    (before,) = plans(double())
    (after,) = plans(
        double(("    delay: 10ms\n    nodes: { branch", "    mtu: 1400\n    nodes: { branch"))
    )

    assert before.clients[0].mtu - after.clients[0].mtu >= 96


def test_a_router_with_nat_sends_from_one_address_and_lets_only_answers_in() -> None:
    made = double()
    rules = firewall.render(made, "cgnat")

    assert 'oifname "carrier" ip saddr != 198.51.100.2 snat ip to 198.51.100.2' in rules
    assert rules.count("drop") == 2
    assert firewall.render(made, "branch") == ""


def test_the_pictures_tell_what_a_router_does() -> None:
    made = double()

    lines = {line.split()[1]: line for line in draw.text(made).splitlines() if "router" in line}
    assert lines["cgnat"].split("│")[0].rstrip().endswith("198.51.100.2  router, SNAT")
    assert lines["branch"].split("│")[0].rstrip().endswith("100.64.0.1  router")
    assert dot.render(made).count("router, SNAT") == 1


def test_a_router_asks_ibms_name_server_and_not_its_customer() -> None:
    made = double()
    assert made.dns is not None
    assert made.node("cgnat").resolver == made.dns.server.address
    assert made.dns.resolver is not None
    assert made.dns.resolver.addresses == ("192.168.10.1",)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            ((CGNAT, "cgnat:    { role: router }"),),
            "nodes.firewall: no answer from the Internet comes to firewall in 10.7.0.0/30; give the last "
            "router snat: true, or the link a public subnet such as 203.0.113.0/24",
        ),
        (
            ((BRANCH, "branch:   { role: router, snat: true }"), (CGNAT, "cgnat:    { role: router }")),
            "nodes.branch: no answer from the Internet comes to branch in 100.64.0.0/30",
        ),
        (
            (
                (WALL, "firewall: { role: firewall }"),
                (CGNAT, "cgnat:    { role: router }"),
                ("192.168.10.", "203.0.113."),
            ),
            "nodes.firewall: no answer from the Internet comes to firewall in 10.7.0.0/30",
        ),
        (
            (
                (BRANCH, f"{BRANCH}\n  beside:   {{ role: router }}"),
                ("100.64.0.0/30", "100.64.0.0/29"),
                ("branch: , cgnat: ", "branch: , cgnat: , beside: "),
            ),
            "nodes.beside: beside is not between firewall and the Internet; a router is on two links: one "
            "towards the firewall, one towards the Internet",
        ),
        (
            ((WALL, "firewall: { role: host }"),),
            "nodes.branch.role: branch has no firewall to stand behind: a router is between it and the "
            "Internet; add firewall-2: { role: firewall }",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(changes: tuple[tuple[str, str], ...], line: str) -> None:
    with pytest.raises(TopologyError) as caught:
        double(*changes)

    assert line in str(caught.value)


def test_remote_service_is_not_tried_through_a_router_with_nat() -> None:
    text = (load.folder() / "service-off.yaml").read_text(encoding="utf-8")
    text = text.replace("  internet:", "  cgnat: { role: router, snat: true }\n  internet:", 1)
    with pytest.raises(TopologyError, match="cgnat keeps from firewall whatever tries to get in"):
        load.parse(text, "mine.yaml")
