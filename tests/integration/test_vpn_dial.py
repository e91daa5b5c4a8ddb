"""The VPN in a call by modem: what is on the line and beyond the fence, the MTU, and calls that are lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.ways.vpn.plan import clients
from tests.integration.labs import ROOT, Ran, Runs, changed
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

NAME = "vpn-dial"
LINE_BIT_S = 33600
FITS = 1402 - 28
"""What ping adds to it makes 1402 bytes: IP's header and ICMP's."""
PING = "ping -q -c 2 -i 3 -M do -s {} $LAB_PROBE"
LONGEST = ("--", "sh", "-c", f"{PING.format(FITS)}; ! {PING.format(FITS + 1)}")


@pytest.fixture
def long(runs: Runs) -> Ran:
    return runs.get(NAME, *LONGEST)


def seen(run: Ran, wire: str, where: str, *fields: str) -> list[tuple[str, ...]]:
    return tshark(run.run_dir / "wire" / f"{wire}.pcapng", fields, "-Y", where)


def test_the_longest_packet_fits_into_the_call_and_none_is_longer(long: Ran) -> None:
    """T1-13 on the wire, by others' eyes: ESP of 1402 bytes in PPP is at most 1500 long, and in one piece."""
    assert long.status == 0, long.told
    assert {c.mtu for c in clients(long.topology)} == {FITS + 28}
    assert {s.mtu for s in long.record.ppp if s.gateway == "vpn1"} == {FITS + 28}
    assert "2 packets transmitted, 2 received" in long.stdout
    for wire in ("pstn", "lig-inet"):
        lengths = [int(row[0]) for row in seen(long, wire, "esp", "ip.len")]
        # One block of 3DES more would not fit; the longest L2TP header is not used.
        assert 1500 - 16 <= max(lengths) <= 1500, wire
        assert not seen(long, wire, "ip.flags.mf == 1 || ip.frag_offset > 0", "frame.number")


def test_it_takes_the_time_that_the_line_takes(long: Ran) -> None:
    """There and back each byte of the longest packet goes over the line once."""
    (longest,) = re.findall(r"rtt min/avg/max/mdev = ([\d.]+)/", long.stdout)[:1]
    on_the_line_s = 2 * 1490 * 8 / LINE_BIT_S
    assert on_the_line_s <= float(longest) / 1000 <= 1.3 * on_the_line_s + 0.2


def test_ike_and_esp_go_without_udp_4500_though_the_firewall_has_snat(long: Ran) -> None:
    """RFC 3947 3.2: both ends look for a NAT between them, and there is none."""
    assert long.topology.seen_address
    for wire in ("pstn", "lig-inet"):
        assert seen(long, wire, "isakmp", "frame.number"), wire
        assert not seen(long, wire, "udp.port == 4500", "frame.number")
    address = long.record.lig[0].address
    first, *_ = seen(long, "lig-inet", "isakmp", "ip.src", "ip.dst", "udp.srcport", "udp.dstport")
    assert first == (address, "129.42.160.16", "500", "500")
    assert not seen(long, "fw-inet", "isakmp || esp", "frame.number")
    assert not seen(long, "lan", "isakmp || esp", "frame.number")


def test_the_two_ppps_are_told_apart(long: Ran) -> None:
    by_telephone, in_the_vpn = sorted(long.record.ppp, key=lambda session: session.opened)

    assert (by_telephone.gateway, by_telephone.interface) == ("lig", "ppp0")
    assert (in_the_vpn.gateway, in_the_vpn.interface) == ("vpn1", "ppp1")
    routes = dict(line.split(" dev ") for line in long.record.routes["hmc"])
    assert routes["129.42.160.16/32"] == routes["207.25.252.196/32"] == "ppp0"
    assert {routes[f"{end.address}/32"] for end in long.topology.way("vpn").endpoints} == {"ppp1"}


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The line goes once the agent's TLS is under way."""
    cut = "\ncalls:\n  - { outcome: line-drops, from: hmc, after: 12kB, times: 1 }\n\nways:\n"
    return changed(tmp_path_factory.mktemp("topologies"), NAME, ("\nways:\n", cut), to="cut-off")


def test_a_call_that_is_lost_in_mid_session_is_made_again_and_then_ike(
    cut_off: str, runs: Runs
) -> None:
    run = runs.get(cut_off)

    assert run.status == 0, run.told
    assert not run.failed, run.told
    first, second, *_ = run.record.dialled
    assert [try_.up for try_ in run.record.tries] == [True, True]
    assert [call.succeeded for call in run.record.calls] == [False, True]
    agreed = [each for each in run.record.ike if each.time < run.record.calls[-1].ended]
    # A gateway that nobody could reach is not to blame.
    assert [each.gateway for each in agreed] == ["vpn1", "vpn1"]
    assert first.time < agreed[0].time < second.started < second.time < agreed[1].time
    assert "the line was cut off in mid-session" in str(run.verdict["diagnosis"])


def test_a_gateway_that_dies_costs_no_second_call(runs: Runs) -> None:
    run = runs.get(NAME, "--fault", "gateway-dies")
    took_over = next(each.time for each in run.record.ike if each.gateway == "vpn2")

    assert len([call for call in run.record.dialled if call.started < took_over]) == 1


def test_the_fence_is_why_nothing_passes_without_the_gateways_on_its_list(runs: Runs) -> None:
    """L-11: the call stands, and IKE comes to the fence and no further."""
    run = runs.get(NAME, "--fault", "fence-without-vpn")

    assert run.findings["L-11"]["verdict"] == "fail"
    assert "of hmc's VPN, did not pass" in run.findings["L-11"]["seen"]
    assert [call.user for call in run.record.lig] == ["usibm.hmc01"]
    assert run.record.lig[0].opened
    assert seen(run, "pstn", "isakmp", "frame.number")
    assert not seen(run, "lig-inet", "isakmp", "frame.number")


OWN = str(ROOT / "tests/data/clients/own-call.sh")


def test_a_dialler_and_a_client_of_ones_own_are_judged_as_the_labs_are(runs: Runs) -> None:
    run = runs.get(NAME, "--no-path", "--", "bash", OWN)

    assert run.status == 0, run.told
    assert not run.failed, run.told
    assert [(trial.way, trial.own) for trial in run.record.tries] == [("vpn", True)]
    held = {n for n, found in run.findings.items() if found["verdict"] == "pass"}
    assert {"OUT-19", "OUT-21", "P-01", "P-05", "P-09", "P-10", "P-11"} <= held, run.told


def test_an_agent_beside_the_vpn_is_found_in_the_same_call(runs: Runs) -> None:
    """A client that routes the servers over the call's own PPP: the fence passes it, and it is no VPN."""
    run = runs.get(NAME, "--no-path", "--", "env", "OWN_PPP=ppp0", "bash", OWN)

    assert run.failed == {"OUT-21", "P-10"}
    assert "TCP to 129.42.160.48:443 on lig-inet" in run.findings["OUT-21"]["seen"]


CALLERS = (
    ("  firewall: { role", "  hmc-b:    { role: hmc, modems: 1 }\n  firewall: { role"),
    ("hmc: 192.168.10.10,", "hmc: 192.168.10.10, hmc-b: 192.168.10.11,"),
    ("  lig: { number", '  hmc-b: { number: "1-507-555-0102" }\n  lig: { number'),
)  # fmt: skip
MIXED = {
    "backup": (("hmc: [vpn]", "hmc: [vpn, modem]"), ("[OUT-02, OUT-19", "[OUT-15, R-01, OUT-02, OUT-19")),
    "beside": (*CALLERS, ("  hmc: [vpn]", "  hmc: [vpn]\n  hmc-b: [modem]")),
    "together": (*CALLERS, ("  hmc: [vpn]", "  hmc: [vpn]\n  hmc-b: [vpn]")),
    "wired-first": (
        ("[vpn1, vpn2], over: modem }", "[vpn2], over: modem }\n  net: { kind: vpn, gateways: [vpn1] }"),
        ("hmc: [vpn]", "hmc: [net, vpn]"),
        ("F-18, R-07, R-08", "F-07, F-08, OUT-15, OUT-20, R-01, R-08"),
    ),
}  # fmt: skip
"""The same call as an agent's own way; another agent's; two callers at once; a VPN by wire before."""


@pytest.mark.parametrize("name", MIXED)
def test_it_is_judged_beside_other_ways(name: str, tmp_path: Path, runs: Runs) -> None:
    run = runs.get(changed(tmp_path, NAME, *MIXED[name], to=f"{NAME}-{name}"))

    assert run.status == 0, run.told
    assert run.verdict["verdict"] == "pass", run.told
    held = {n for n, found in run.findings.items() if found["verdict"] == "pass"}
    assert {"OUT-19", "OUT-21", "OUT-23", "P-09", "P-11", "L-11", "L-01", "L-12"} <= held, run.told
