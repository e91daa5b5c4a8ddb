"""IPv6 in true runs: what is told of its loss, and what is no packet of anybody's."""

from __future__ import annotations

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet as Layers

from lab.verify import Verdict
from lab.wire.decode import ETHERTYPE_IPV6
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.changes import change_families

SERVER, SERVER_OF_IPV4 = "2620:1f7:c010:1:1:1:1:11", "192.148.6.11"


def lose(run: TrueRun, address: str, *wires: str) -> None:
    for wire in wires:
        run.drop(wire, run.find(wire, lambda p: address in (p.source, p.destination)))


def test_the_loss_of_ipv6_is_told_with_the_place_and_the_way_home(recordings: Recordings) -> None:
    found = recordings("dual-stack.ipv6-broken").diagnose()

    assert found.cause == "ipv6-lost"
    assert "IPv6 of aix is lost at internet: 9 packets on fw-inet, none on dmz" in found.sentence
    assert found.sentence.endswith("; aix came home by IPv4")
    assert found.hint.endswith("write families: [ipv4]")


def test_without_ipv4_not_even_a_name_is_told(recordings: Recordings) -> None:
    """By IPv6 alone name servers are asked, too: nothing else is sent, and nothing else said."""
    run = recordings("direct-ipv6.ipv6-broken")
    found = run.diagnose()

    assert found.cause == "lookups-lost"
    assert found.sentence.startswith("IPv6 of firewall to IBM's name server 2001:db8::54 is lost")
    assert {packet.version for _, packet in run.case().all_packets()} == {6}


def test_without_ipv4_the_loss_of_calls_is_told(recordings: Recordings) -> None:
    run = recordings("direct-ipv6.server-down")
    for call in run.record.calls:
        call.succeeded = False
    lose(run, "2001:db8:10::10", "dmz")

    found = run.diagnose()

    assert found.cause == "ipv6-lost"
    assert "came home" not in found.sentence


def test_what_the_firewall_loses_is_lost_there(recordings: Recordings) -> None:
    run = recordings("dual-stack.ipv6-broken")
    lose(run, SERVER, "fw-inet")

    assert "is lost at firewall: 9 packets on lan, none on fw-inet" in run.diagnose().sentence


def test_where_ipv4_is_lost_too_it_is_no_matter_of_ipv6(recordings: Recordings) -> None:
    run = recordings("dual-stack.ipv6-broken")
    lose(run, SERVER_OF_IPV4, "dmz")
    for call in run.record.calls:
        call.succeeded = False

    assert run.diagnose().cause == "tcp-lost"


def test_one_packet_that_is_lost_is_no_loss_of_ipv6(recordings: Recordings) -> None:
    run = recordings("dual-stack")
    run.drop("dmz", run.find("dmz", lambda p: p.destination == SERVER)[1:])

    assert run.diagnose().cause == "nothing"


@pytest.mark.parametrize("payload", [UDP(sport=9, dport=33434), TCP(sport=9, dport=444, flags="S")])
def test_what_no_rule_lets_out_is_no_loss_of_ipv6(payload: Layers, recordings: Recordings) -> None:
    """A traceroute, or a port that is not listed."""
    run = recordings("direct-ipv6")
    for wire in ("lan", "fw-inet", "dmz"):
        lose(run, "2001:db8:10::10", wire)
    packet = IPv6(src="2001:db8:10::10", dst="2620:0:6c0:200:129:42:56:189") / payload
    run.put("lan", "hmc", "firewall", bytes(packet), run.end)

    assert run.diagnose().cause == "nothing"


def test_a_black_hole_for_ipv6_names_its_own_message(recordings: Recordings) -> None:
    found = recordings("direct-ipv6.small-mtu").diagnose()

    assert found.cause == "mtu-black-hole"
    assert "vanish at internet" in found.sentence
    assert found.hint.endswith("or let ICMPv6 type 2 through")


def test_a_silent_server_is_named_as_a_url_would_have_it(recordings: Recordings) -> None:
    found = recordings("direct-ipv6.server-down").diagnose()

    assert found.cause == "server-silent"
    assert found.sentence.startswith("[2620:0:6c0:200:129:42:56:189]:443 is silent: 9 SYNs of hmc")


@pytest.mark.parametrize("name", ["direct-ipv6", "dual-stack"])
def test_what_finds_neighbours_is_no_packet(name: str, recordings: Recordings) -> None:
    """It is on every wire, as ARP is, and belongs to no way home."""
    run = recordings(name)
    for wire in ("lan", "fw-inet", "dmz"):
        of_link = [f for f in run.wire[wire] if f.ethertype == ETHERTYPE_IPV6 and f.ip is None]
        assert of_link
        # ICMPv6: behind the hop-by-hop header of a listener's report, or at once.
        assert {f.data[20] for f in of_link} <= {0, 58}
        assert all(
            not packet.destination.startswith(("ff", "fe80"))
            for _, packet in run.case().packets(wire)
        )


def test_where_nobody_answers_the_agent_is_not_put_to_the_test(recordings: Recordings) -> None:
    """OUT-08: what is lost on the way says nothing of the agent."""
    found = recordings("dual-stack.ipv6-broken").judge()["OUT-08"]

    assert found.verdict is Verdict.not_applicable
    assert found.seen == "no server answered by IPv6"


def test_a_way_that_has_ipv4_too_says_nothing_of_ipv6_alone(recordings: Recordings) -> None:
    """OUT-06."""
    run = recordings("direct-ipv6")

    found = run.judge(change_families(run.topology, "ipv6", "ipv4"))["OUT-06"]

    assert found.verdict is Verdict.not_applicable
