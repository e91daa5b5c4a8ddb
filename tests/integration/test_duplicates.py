"""Frames that a line duplicates: two frames with bytes of their own, also where one is decrypted first."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from lab.ways.vpn.session_symptoms import REPLAYS
from tests.integration.labs import Ran
from tests.integration.users import User
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

GATEWAY = "129.42.160.16"
WIRES = ("lan", "fw-inet", "dmz")
# Each frame arrives twice at the other end of the firewall's link to the Internet.
SHAPE = ("rate", "100mbit", "delay", "10ms", "duplicate", "100%")
TWICE = ("tc", "qdisc", "change", "dev", "fw-inet", "root", "netem", *SHAPE)
# Messages of TLS have their ciphertext in pages.
CALL = "curl -sS --cacert $LAB_CA_FILE $LAB_SERVER && ping -q -c 10 -i 0.2 -s 1300 $LAB_PROBE"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A call and some echo requests through the tunnel, over a line that duplicates."""
    with User.visiting(tmp_path_factory.mktemp("home")) as user:
        run_dir = user.home / "out"
        up = user.lab("up", "vpn-nat", "--out", str(run_dir))
        assert up.returncode == 0, up.stderr
        for node in ("firewall", "internet"):
            assert user.lab("exec", node, "--", *TWICE).returncode == 0
        called = user.lab("exec", "hmc", "--", "sh", "-c", CALL)
        assert called.returncode == 0, called.stderr
        assert b"10 packets transmitted, 10 received" in called.stdout
        down = user.lab("down", "vpn-nat")
    return Ran(down.returncode, down.stdout.decode(), down.stderr.decode(), 0.0, run_dir)


def _copies(run_dir: Path, wire: str, which: str = "") -> dict[tuple[str, str], list[str]]:
    """Every ESP packet that was on a wire more than once: SPI and sequence number to each copy's payload.

    ``which`` is a filter of tshark's. The payload of UDP is compared: the headers before it are the routers'.
    """
    seen = defaultdict(list)
    path = run_dir / "wire" / f"{wire}.pcapng"
    fields = ("esp.spi", "esp.sequence", "udp.payload")
    for spi, number, payload in tshark(path, fields, "-Y", f"udp && esp {which}"):
        seen[spi, number].append(payload)
    return {packet: copies for packet, copies in seen.items() if len(copies) > 1}


@pytest.mark.parametrize("wire", WIRES)
def test_both_copies_of_an_esp_packet_are_the_same_bytes(ran: Ran, wire: str) -> None:
    copies = _copies(ran.run_dir, wire)
    assert any(len(bytes.fromhex(payloads[0])) > 1300 for payloads in copies.values())
    assert [packet for packet, payloads in copies.items() if len(set(payloads)) > 1] == []


@pytest.mark.parametrize(
    ("node", "wire", "arriving"),
    [("vpn1", "dmz", f"&& ip.dst == {GATEWAY}"), ("hmc", "lan", f"&& ip.src == {GATEWAY}")],
)
def test_second_copies_are_dropped_as_replays_and_counted(
    ran: Ran, node: str, wire: str, arriving: str
) -> None:
    second = sum(len(copies) - 1 for copies in _copies(ran.run_dir, wire, arriving).values())
    assert second > 0
    assert ran.record.xfrm[node] == {REPLAYS: second}


def test_nobody_is_said_to_alter_packets(ran: Ran) -> None:
    assert ran.findings["P-22"]["verdict"] == "pass"
    assert ran.findings["P-05"]["verdict"] == "pass"
    assert "a second time" in ran.told
    assert "altered by" not in ran.told
