"""Captures from outside: where packets alone say anything, they say what the whole run says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scapy.layers.inet import IP, TCP

from lab.errors import UsageError
from lab.topology.load import load
from lab.topology.resolve import resolve
from lab.verify.finding import Verdict
from lab.verify.outside import Judged, judge_outside, wire_to_the_internet
from lab.verify.outside_case import EVERY_WIRE, KEYS, RECORD, SECRETS
from tests.recordings.true_run import Recordings, TrueRun

RUNS = (
    "direct", "direct.server-down", "direct-snat", "direct-names", "direct-ipv6", "direct-ipv6.server-down",
    "dual-stack", "esa-aix", "esa-linux", "esa-linux.blocked-443", "simplified", "proxy",
    "upload", "vpn", "vpn.drop-esp", "vpn.wrong-psk", "vpn-nat", "vpn-nat.tampered-esp",
    "vpn-nat.gateway-dies", "vpn-nat.pool-empty", "vpn-two-hmcs", "service-off", "service-vpn",
    "service-modem",
)  # fmt: skip


def judged(run: TrueRun, *links: str, keys: bool = True) -> Judged:
    wires = {link: run.wire[link] for link in links or (wire_to_the_internet(run.topology),)}
    return judge_outside(run.topology, wires, run.run_dir / "keys" / "esp.json" if keys else None)


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "both"])
@pytest.mark.parametrize("name", RUNS)
def test_packets_say_what_the_whole_run_says(
    name: str, inside: bool, recordings: Recordings
) -> None:
    run = recordings(name)
    links = (*run.topology.insides, wire_to_the_internet(run.topology)) if inside else ()
    whole = run.judge()
    found = judged(run, *links)
    assert {f.requirement for f in found.findings} | {*found.unjudged} == {*whole}
    assert found.findings
    for finding in found.findings:
        if finding.verdict is not Verdict.not_applicable:
            assert finding.verdict is whole[finding.requirement].verdict, finding


def syn_to(run: TrueRun, address: str) -> None:
    """One more connection of the customer's, on the link to the Internet."""
    own = run.topology.node("firewall").interface("fw-inet").ip
    packet = bytes(IP(src=own, dst=address) / TCP(sport=40_001, dport=443, flags="S"))
    run.put("fw-inet", "firewall", "internet", packet, run.end)


def test_a_wrong_destination_fails_by_packets_alone(recordings: Recordings) -> None:
    run = recordings("direct-snat")
    assert not judged(run).failed
    syn_to(run, "129.42.160.51")
    found = judged(run)
    failed = {f.requirement for f in found.findings if f.verdict is Verdict.failed}
    assert failed == {"OUT-01", "g1"}
    assert found.failed


def test_what_is_sealed_needs_keys(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    with_keys, without = judged(run), judged(run, keys=False)
    assert "P-03" in {f.requirement for f in with_keys.findings}
    assert without.unjudged["P-03"] == KEYS
    # How often a tunnel was brought up, and whether it was to be, is for a record to say.
    assert with_keys.unjudged["P-08"] == RECORD
    assert not without.failed


VPN = ("vpn", "vpn-nat", "vpn-two-hmcs", "vpn-rekeyed")


@pytest.mark.parametrize("name", [*VPN, "direct-snat", "dual-stack", "proxy", "esa-linux"])
def test_a_capture_that_begins_late_or_ends_early_fails_nothing(
    name: str, recordings: Recordings
) -> None:
    """In the middle of main mode, of quick mode, of L2TP, of PPP: what is not there proves nothing."""
    run = recordings(name)
    link = wire_to_the_internet(run.topology)
    frames = run.wire[link]
    keys = run.run_dir / "keys" / "esp.json" if name in VPN else None
    # Before that it is ARP alone.
    first = next(n for n, frame in enumerate(frames, 1) if frame.ip)
    for place in [*range(first, 40), *range(40, len(frames) - 3, 23)]:
        for part in (frames[place:], frames[:place]):
            found = judge_outside(run.topology, {link: part}, keys)
            failed = [f for f in found.findings if f.verdict is Verdict.failed]
            assert failed == [], (place, part is frames[place:])


def test_parameters_of_ike_and_esp_are_judged_by_packets(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    held = {f.requirement for f in judged(run).findings if f.verdict is Verdict.held}
    assert held >= {"OUT-03", "P-01", "P-02", "P-03", "P-04", "P-05"}
    both = judged(run, "lan", "fw-inet")
    assert "OUT-20" in {f.requirement for f in both.findings if f.verdict is Verdict.held}


def test_ike_that_came_to_nothing_in_the_capture_is_not_judged(recordings: Recordings) -> None:
    """Nobody knows whether it did afterwards."""
    found = {f.requirement: f for f in judged(recordings("vpn.wrong-psk")).findings}
    assert found["P-01"].verdict is Verdict.not_applicable
    assert "from the first message to the last" in found["P-01"].seen


def test_nobody_knows_the_secrets_of_others(recordings: Recordings) -> None:
    """The model draws secrets of its own, by which no response to a challenge would be right."""
    run = recordings("vpn-nat")
    assert judged(run).unjudged["P-09"] == SECRETS


def test_what_else_is_lacking_is_named(recordings: Recordings) -> None:
    lacking = judged(recordings("direct-snat")).unjudged
    assert lacking["g6"] == RECORD
    assert lacking["g3"] == EVERY_WIRE
    assert lacking["OUT-02"] == "a capture of lan"


def test_the_topology_must_be_that_of_the_capture(recordings: Recordings) -> None:
    frames = recordings("vpn-nat").wire["fw-inet"]
    other = resolve(load("direct"), bytes(32))
    with pytest.raises(UsageError, match=r"no packet is from or to an agent.* of direct \(hmc "):
        judge_outside(other, {"fw-inet": frames})


def test_a_wire_on_which_nothing_was_proves_nothing(recordings: Recordings) -> None:
    with pytest.raises(UsageError, match="no packet is from or to"):
        judged(recordings("proxy.proxy-down"))


def test_links_to_the_internet_that_are_several_must_be_named() -> None:
    model = resolve(load("direct"), bytes(32))
    nowhere = replace(
        model, firewall=None, nodes=tuple(n for n in model.nodes if n.name != "internet")
    )
    with pytest.raises(UsageError, match="direct has no links to the Internet") as told:
        wire_to_the_internet(nowhere)
    assert told.value.hint == "name the link of the capture, LINK=CAPTURE: " + ", ".join(
        each.name for each in model.segments
    )
