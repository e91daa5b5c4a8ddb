"""Captures that open by themselves: tshark reads wires to the bottom, with the run's own files alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.wireshark import annotated
from tests.integration.labs import Ran, Runs
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

THROUGH = "eth:ethertype:ip:udp:udpencap:esp:ip:udp:l2tp:ppp:ip:tcp:tls:http"
NAMES = ("vpn-nat", "vpn", "vpn-dial", "pass-through-vpn", "direct", "vpn-nat --fault wrong-psk")


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start(tuple(name.split()) for name in NAMES)


def stacks(ran: Ran, segment: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Protocols and request of each frame, by the run's folder for Wireshark and the capture."""
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", f"{ran.run_dir}/keys/wireshark")
    rows = tshark(
        ran.run_dir / "wire" / f"{segment}.pcapng", ("frame.protocols", "http.request.uri")
    )
    return [(row[0], row[1]) for row in rows]


def requests(found: list[tuple[str, str]]) -> set[str]:
    """The protocols that carry the call home."""
    return {protocols for protocols, uri in found if uri == "/heartbeat"}


def test_behind_nat_tshark_reads_down_to_the_request(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stacks(runs.get("vpn-nat"), "fw-inet", monkeypatch)

    assert requests(found) == {f"{THROUGH}:json"}


@pytest.mark.parametrize(
    ("name", "segment", "through"),
    [
        ("vpn-nat", "lan", f"{THROUGH}:json"),
        ("vpn", "fw-inet", f"{THROUGH}:json".replace("udp:udpencap:", "", 1)),
        ("vpn-dial", "pstn", f"ppp:{THROUGH.removeprefix('eth:ethertype:')}:json"),
        ("pass-through-vpn", "fw-inet", f"{THROUGH}:json"),
        ("direct", "fw-inet", "eth:ethertype:ip:tcp:tls:http:json"),
    ],
)
def test_every_way_opens_on_every_wire(
    name: str, segment: str, through: str, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = requests(stacks(runs.get(name), segment, monkeypatch))

    # By telephone and without NAT, ESP goes by itself or in UDP: what is in it is the same.
    inside = through.partition("esp:")[2] or through
    assert len(found) == 1
    assert found.pop().endswith(inside)


def test_tls_opens_without_any_setting(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secrets are in the capture: whoever has it needs nothing else."""
    capture = runs.get("direct").run_dir / "wire" / "lan.pcapng"
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", str(tmp_path))
    uris = [row[0] for row in tshark(capture, ("http.request.uri",))]
    assert "/heartbeat" in uris

    plain = tmp_path / "plain.pcapng"
    plain.write_bytes(annotated.plain(capture.read_bytes()))
    assert "/heartbeat" not in [row[0] for row in tshark(plain, ("http.request.uri",))]


def test_quick_mode_opens(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """IKE's keys are in the folder: the identities and the SPIs of ESP, which nobody else sees."""
    ran = runs.get("vpn-nat")
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", f"{ran.run_dir}/keys/wireshark")
    rows = tshark(
        ran.run_dir / "wire" / "fw-inet.pcapng",
        ("isakmp.exchangetype", "isakmp.spi", "isakmp.id.data.fqdn"),
    )

    spis = {int(row[1], 16) for row in rows if row[0] == "32" and row[1]}
    assert spis == {sa.spi for sa in ran.record.esp}
    assert "hmc.customer.test" in {row[2] for row in rows if row[0] == "2"}


def test_of_two_keys_the_initiators_opens_main_mode(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = runs.get("vpn-nat", "--fault", "wrong-psk")
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", f"{ran.run_dir}/keys/wireshark")
    rows = tshark(
        ran.run_dir / "wire" / "lan.pcapng", ("isakmp.exchangetype", "isakmp.id.data.fqdn")
    )

    assert "hmc.customer.test" in {row[1] for row in rows if row[0] == "2"}


def test_frames_cite_the_findings_that_they_prove(runs: Runs) -> None:
    ran = runs.get("vpn-nat")
    capture = ran.run_dir / "wire" / "fw-inet.pcapng"
    rows = tshark(
        capture, ("frame.number", "frame.comment"), "-E", "occurrence=a", "-E", "aggregator=\x1f"
    )
    told = {int(number): comments.split("\x1f") for number, comments in rows}

    for finding in ran.verdict["findings"]:
        for evidence in finding["evidence"]:
            if evidence["segment"] == "fw-inet":
                begun = f"{finding['requirement']} {finding['verdict']}: "
                for number in evidence["frames"]:
                    assert any(each.startswith(begun) for each in told[number]), (number, begun)
    cited = sum(bool(each) for comments in told.values() for each in comments)
    assert cited == sum(
        len(e["frames"])
        for finding in ran.verdict["findings"]
        for e in finding["evidence"]
        if e["segment"] == "fw-inet"
    )


def test_names_of_nodes_are_in_the_capture(runs: Runs, tmp_path: Path) -> None:
    """With no settings but that names are wanted, and nobody is asked for them."""
    capture = runs.get("vpn-nat").run_dir / "wire" / "fw-inet.pcapng"
    said = subprocess.run(
        ["tshark", "-r", capture, "-N", "n", "-Y", "isakmp", "-c", "5"],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"WIRESHARK_CONFIG_DIR": str(tmp_path)},
    ).stdout
    assert "firewall → vpn1" in " ".join(said.split())


def test_nobody_else_reads_the_keys(runs: Runs) -> None:
    keys = runs.get("vpn-nat").run_dir / "keys"
    folder = keys / "wireshark"

    assert {path.name for path in folder.iterdir()} >= {"esp_sa", "ikev1_decryption_table", "hosts"}
    for path in (*folder.iterdir(), *keys.glob("ike-*.log")):
        assert path.stat().st_mode & 0o077 == 0, path
    assert len(list(keys.glob("ike-*.log"))) == 3
    assert not [*(keys.parent / "logs").rglob("*ike*")]
