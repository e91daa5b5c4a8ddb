"""The multi-hop VPN (S4 2.1.4.1): an HMC, the VPN that a partition of i5/OS lends it, and IBM's gateways."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab import codec
from lab.record.record import Record
from lab.verify import Finding, Verdict, service_vpn
from lab.verify.case import Case
from lab.wire import l2tp
from lab.wire.l2tp import ControlType
from tests.integration.labs import ROOT, Ran, Runs, changed, lab
from tests.oracle import Row, as_captured, decryption_options, tshark

pytestmark = pytest.mark.kernel

NAME = "pass-through-vpn"
TWO = str(ROOT / "tests/data/topologies/pass-through-two-hmcs.yaml")
HMC, I5, VPN1 = "203.0.113.10", "203.0.113.20", "129.42.160.16"


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([(NAME,), (TWO,)])


# Frame by frame, by tshark and by us.

PPP_FIELDS = ("ppp.protocol", "ppp.code", "ppp.identifier", "chap.value", "lcp.opt.magic_number",
              "tcp.seq_raw", "tcp.ack_raw", "tcp.checksum")  # fmt: skip


def ppp_of(ran: Ran, segment: str, source: str, *options: str) -> list[Row]:
    """What tshark reads of each PPP frame that a host sent on a wire."""
    capture = ran.run_dir / "wire" / f"{segment}.pcapng"
    rows = tshark(capture, ("ip.src", *PPP_FIELDS), "-Y", "l2tp.type == 0", *options)
    return [row[1:] for row in rows if row[0] == source]


def test_tshark_finds_the_same_ppp_in_clear_and_in_esp(runs: Runs) -> None:
    ran = runs.get(NAME)
    keys = decryption_options(ran.run_dir / "keys" / "esp.json")
    clear = "udp.port == 1701 && !esp && l2tp.type == 0"
    out, back = (
        tshark(ran.run_dir / "wire/i5-lan.pcapng", PPP_FIELDS, "-Y", f"{clear} && ip.src == {host}")
        for host in (HMC, I5)
    )

    assert out == ppp_of(ran, "fw-inet", I5, *keys)
    assert back == ppp_of(ran, "fw-inet", VPN1, *keys)
    ours = [item.outgoing for call in ran.case.passed_calls for item in call.frames]
    assert (ours.count(True), ours.count(False)) == (len(out), len(back))
    protocols = {int(row[0], 0) for row in (*out, *back)}
    assert protocols == {0x0021, 0x8021, 0xC021, 0xC223}


def test_tshark_dissects_each_control_message_in_clear_and_in_esp(runs: Runs) -> None:
    """No message is malformed; every AVP that the partition sends is one that tshark knows."""
    ran = runs.get(NAME)
    keys = decryption_options(ran.run_dir / "keys" / "esp.json")
    for segment, options in (("i5-lan", ()), ("fw-inet", keys)):
        # To tshark a finding's comment is one more message of its own.
        capture = as_captured(ran.run_dir / "wire" / f"{segment}.pcapng")
        rows = tshark(
            capture,
            ("_ws.malformed", "_ws.expert.message", "l2tp.avp.message_type"),
            "-Y",
            "l2tp.type == 1",
            *options,
        )
        assert {row[:2] for row in rows} == {("", "")}
        assert {"1", "2", "3", "10", "11", "12", "14", "4"} <= {row[2] for row in rows}


@pytest.mark.parametrize("key", ["duplicate: 20%", "corrupt: 3%", "loss: 5%"])
def test_a_wire_that_harms_packets_is_not_the_partitions_doing(
    runs: Runs, tmp_path: Path, key: str
) -> None:
    wire = "    subnet: 203.0.113.0/24\n    rate: 1Gbit\n"
    ran = runs.get(changed(tmp_path, NAME, (wire, f"{wire}    {key}\n"), to=key[:4]))

    if key.startswith("corrupt") and ran.status:
        # Which bit is flipped is chance, and xl2tpd makes no UDP checksum: a message may say something else.
        said = "i5-lan, a link that corrupts 3% of all packets"
        assert said in ran.verdict["diagnosis"], ran.told
        return
    assert (ran.status, ran.failed) == (0, set()), ran.told


def test_the_story_is_told_in_order_and_the_hmcs_tunnel_is_with_the_partition(runs: Runs) -> None:
    ran = runs.get(NAME)
    times = [float(at) for at in re.findall(r"^ *(\d+\.\d{3}) s  ", ran.stderr, re.MULTILINE)]
    (tunnel,) = ran.record.l2tp

    assert times == sorted(times)
    assert f"hmc and i5: tunnel {tunnel.local_id}/{tunnel.remote_id}\n" in ran.stderr
    tunnel_up, asked = ran.stderr.index("hmc and i5: tunnel"), ran.stderr.index("hmc asks i5")
    assert tunnel_up < asked


# Two HMCs, one partition.


def test_two_hmcs_borrow_from_one_partition_at_once(runs: Runs) -> None:
    ran = runs.get(TWO)
    case = ran.case

    assert (ran.status, ran.failed) == (0, set()), ran.told
    # One IPsec connection and one tunnel of the partition's for all four calls; both were up at a time.
    assert {attempt.source for attempt in ran.record.ike} == {"i5"}
    assert len(ran.record.ike) == 1
    requests = [i for i in case.insides if i.l2tp and i.l2tp.control_type == 1]
    assert len({i.l2tp.number(l2tp.Avp.assigned_tunnel_id) for i in requests if i.l2tp}) == 1
    assert sorted(call.client for call in case.passed_calls) == ["hmc", "hmc", "hmc-b", "hmc-b"]
    lasting = [(call.began, call.ended) for call in case.passed_calls]
    assert max(began for began, _ in lasting) < min(ended for _, ended in lasting)
    assert case.assigned("hmc").isdisjoint(case.assigned("hmc-b"))
    assert {entry.peer_ip for entry in case.ledger} <= case.assigned()


@pytest.mark.parametrize("fault", ["vpn1-silent", "gateway-dies"])
def test_all_borrowers_get_the_same_gateway_and_no_other_beside_it(runs: Runs, fault: str) -> None:
    ran = runs.get(TWO, "--fault", fault)

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert ran.record.gateway_in_use == {"hmc": "vpn2", "hmc-b": "vpn2"}
    # The first one is tried before the second, and never while the second one serves.
    agreed = {event.gateway for event in ran.record.ike}
    failed = {event.gateway for event in ran.record.ike_failed}
    assert (agreed - {"vpn1"}, failed) == ({"vpn2"}, {"vpn1"})
    assert ran.findings["R-07"]["verdict"] == "pass"


def test_each_hmcs_ppp_is_its_own_alone(runs: Runs) -> None:
    """What one HMC is told of addresses and secrets is in no frame that the partition gives the other."""
    case = runs.get(TWO).case
    for client, other in (("hmc", "hmc-b"), ("hmc-b", "hmc")):
        own = {s.ppp.body for s in case.clear if s.client == client and s.ppp}
        theirs = {
            i.ppp.body for c in case.passed_calls if c.client == other for i in c.frames if i.ppp
        }
        shared = own & theirs
        # Echoes and acknowledgements of the two may be alike; what carries data or a number is not.
        assert not [body for body in shared if len(body) > 20]


# Beside another way.


def beside_own(folder: Path, *order: str) -> str:
    """The HMC has a VPN of its own to the second gateway, and the partition's to the first."""
    text = (ROOT / "topologies" / f"{NAME}.yaml").read_text().partition("expect:")[0]
    for before, after in (
        ("  vpn: {", "  own: { kind: vpn, gateways: [vpn2] }\n  vpn: {"),
        ("gateways: [vpn1, vpn2], over", "gateways: [vpn1], over"),
        ("hmc: [vpn]", f"hmc: [{', '.join(order)}]"),
    ):
        assert before in text
        text = text.replace(before, after)
    file = folder / "two-vpns.yaml"
    file.write_text(f"{text}expect: [OUT-27, OUT-28, P-07, P-08, g1, g2, g3, g4, g5, g6]\n")
    return str(file)


def test_a_partition_that_was_not_needed_is_not_put_to_the_test(runs: Runs, tmp_path: Path) -> None:
    ran = runs.get(beside_own(tmp_path, "own", "vpn"), "--", "true")

    assert (ran.status, ran.failed) == (0, set()), ran.told
    verdicts = {name: found["verdict"] for name, found in ran.findings.items()}
    assert verdicts["P-08"] == verdicts["P-07"] == "pass"
    assert verdicts["OUT-27"] == verdicts["OUT-28"] == "not-applicable"
    assert "vpn was not needed: the calls went by own" in ran.findings["OUT-27"]["seen"]


def test_a_partition_that_dies_is_survived_by_a_vpn_of_the_hmcs_own(
    runs: Runs, tmp_path: Path
) -> None:
    own = beside_own(tmp_path, "vpn", "own")
    assert "survives" in next(
        line for line in lab("faults", own).stdout.splitlines() if line.startswith("i5-dies")
    )
    ran = runs.get(own, "--fault", "i5-dies")

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert ran.record.gateway_in_use == {"hmc": "vpn2"}
    said = ran.verdict["diagnosis"]
    assert said.startswith(f"by vpn: i5 ({I5}) died in mid-session")
    assert "hmc came home by own" in said


# What the HMC itself knows.


def test_the_hmc_learns_of_the_gateway_by_ppp_alone(runs: Runs) -> None:
    ran = runs.get(NAME, "--fault", "vpn1-silent")

    assert ran.status == 0, ran.told
    assert [session.gateway for session in ran.record.ppp] == ["vpn2"]
    assert [tunnel.gateway for tunnel in ran.record.l2tp] == ["i5"]
    assert ran.record.gateway_in_use == {"hmc": "vpn2"}
    routes = [line for line in ran.record.routes["hmc"] if "ppp0" in line]
    assert len(routes) >= len(ran.topology.way("vpn").endpoints)


def test_the_hmcs_host_keeps_nothing_of_ipsec(runs: Runs) -> None:
    """No SA and no daemon of IKE: that is the partition's (OUT-27)."""
    ran = runs.get(NAME)

    assert {sa.node for sa in ran.record.esp} == {"i5", "vpn1"}
    assert not (ran.run_dir / "logs" / "hmc" / "charon.log").exists()
    assert (ran.run_dir / "logs" / "i5" / "charon.log").exists()


# Remote service by it (I-13).

SERVICE = "service-vpn-pass-through"


def lose_a_tunnel(case: Case) -> None:
    """One SCCRQ of a session is not in clear."""
    since, until = case.borrowed[-1]
    within = [s for s in case.clear if since <= s.frame.time <= until]
    asked = [s for s in within if s.l2tp.control_type == ControlType.SCCRQ]
    case.__dict__["clear"] = [seen for seen in case.clear if seen is not asked[-1]]


def lose_a_call(case: Case) -> None:
    """The partition passes one call of a session less on."""
    asked = [
        item
        for item in case.service_insides
        if item.l2tp and item.l2tp.control_type == ControlType.ICRQ
    ]
    case.__dict__["service_insides"] = [i for i in case.service_insides if i is not asked[-1]]


def from_elsewhere(case: Case) -> None:
    """ESP of a session begins at the console itself."""
    item = case.service_insides[10]
    item.end = item.client = "console"


def begin_itself(case: Case) -> None:
    """The console begins IKE itself."""
    first = next(s for s in case.ike if service_vpn.begins(s))
    case.ike.append(replace(first, packet=replace(first.packet, source=HMC)))


def without_sas(case: Case) -> None:
    """The partition's SAs are there after L2TP only."""
    for sa in case.record.esp:
        sa.added += 10_000


@pytest.mark.parametrize(
    ("check", "wrong", "seen"),
    [
        (service_vpn.check_i_12, from_elsewhere, "not the console's"),
        (service_vpn.check_i_14, begin_itself, f"{HMC} began IKE"),
        (service_vpn.check_i_16, lose_a_tunnel, "has 2 SCCRQ"),
        (service_vpn.check_i_16, lose_a_call, "3 calls in clear and 2 in ESP"),
        (service_vpn.check_p_21, without_sas, "before new SAs stood"),
    ],
)
def test_the_contract_of_a_session_by_a_partition_can_fail(
    runs: Runs,
    check: Callable[[Case], Finding],
    wrong: Callable[[Case], None],
    seen: str,
) -> None:
    ran = runs.get(SERVICE)
    # Each test has its own, as it changes what was read.
    record = codec.load(Record, (ran.run_dir / "record.json").read_text())
    case = Case(ran.topology, record, ran.run_dir)
    assert check(case).verdict is Verdict.held
    wrong(case)

    found = check(case)

    assert found.verdict is Verdict.failed
    assert seen in found.seen


def test_a_session_goes_by_the_partition_and_by_no_other_way(runs: Runs) -> None:
    ran = runs.get(SERVICE)

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert ran.findings["I-13"]["seen"] == "2 sessions by fw-inet, lent by i5"
    case = ran.case
    assert {item.end for item in case.service_insides} == {"i5"}
    assert {call.client for call in case.passed_calls} == {"hmc"}
    # Calling home before, between and after two sessions, each with three PPP sessions.
    assert len(case.passed_calls) == 3 + 2 * 3
