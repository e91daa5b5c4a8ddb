"""Links that lose, repeat, damage and reorder packets: what tc(8) says of them, and what the judge says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.labs import Ran, Runs, changed
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

DELAY = "    rate: 100Mbit\n    delay: 10ms\n"
"""Of the customer's access line, in each of these topologies."""
KEYS = {
    "loss": "    loss: 10%\n",
    "duplicate": "    duplicate: 20%\n",
    "reorder": "    jitter: 5ms\n    reorder: 30%\n",
}
PINGS = "ping -c 200 -i 0.1 $LAB_PROBE"


def impaired(folder: Path, name: str, keys: str) -> str:
    return changed(folder, name, (DELAY, DELAY + keys))


def test_tc_tells_what_the_file_says(runs: Runs, tmp_path: Path) -> None:
    path = impaired(
        tmp_path, "direct-snat", "".join(KEYS.values()) + "    corrupt: 0.5%\n    seed: 7\n"
    )
    qdiscs = "tc qdisc show dev fw-inet; tc qdisc show dev lan"
    ran = runs.get(path, "--no-path", "--node", "firewall", "--", "sh", "-c", qdiscs)

    outside, inside = [line for line in ran.stdout.splitlines() if line.startswith("qdisc netem")]
    for word in ("delay 10ms", "5ms", "loss 10%", "duplicate 20%", "reorder 30%", "corrupt 0.5%"):
        assert word in outside
    assert not re.search("loss|duplicate|reorder|corrupt|seed", inside)


def test_each_way_has_a_rate(runs: Runs, tmp_path: Path) -> None:
    """1042 bytes of Ethernet are 104 ms at 80 kbit/s, beside 40 ms of delay, and no 0.1 ms at 100 Mbit/s."""
    path = impaired(tmp_path, "direct-snat", "    rates: { firewall: 80kbit }\n")
    for node, rate in (("firewall", "80Kbit"), ("internet", "100Mbit")):
        look = ("--", "tc", "qdisc", "show", "dev", "fw-inet")
        assert f"rate {rate}" in runs.get(path, "--no-path", "--node", node, *look).stdout
    ran = runs.get(path, "--", "sh", "-c", "ping -c 10 -s 1000 $LAB_PROBE")
    (least_ms,) = re.findall(r"min/avg/max/mdev = ([0-9.]+)/", ran.stdout)
    assert 144 < float(least_ms) < 145


VLANS = (("lan", 20), ("fw-inet", 100))


@pytest.mark.parametrize("name", ["direct-snat", "vpn-nat"])
def test_a_link_has_the_tag_of_its_vlan(name: str, runs: Runs, tmp_path: Path) -> None:
    """tshark reads the tags of every frame; everything holds, and nothing is left over (g6)."""
    inside = "    rate: 1Gbit\n    nodes: { hmc"
    path = changed(
        tmp_path,
        name,
        (DELAY, DELAY + "    vlan: 100\n"),
        (inside, "    vlan: 20\n" + inside),
    )
    ran = runs.get(path)

    assert ran.status == 0, ran.told
    assert not ran.failed
    assert "g6" in ran.findings
    for wire, vlan in VLANS:
        capture = ran.run_dir / "wire" / f"{wire}.pcapng"
        tags = {row[0] for row in tshark(capture, ("vlan.id",))}
        assert tags == {str(vlan)}
    assert {row[0] for row in tshark(ran.run_dir / "wire" / "dmz.pcapng", ("vlan.id",))} == {""}


def test_the_devices_of_a_vlan_are_as_on_a_trunk(runs: Runs, tmp_path: Path) -> None:
    path = impaired(tmp_path, "direct-snat", "    vlan: 100\n")
    show = "ip -d link show fw-inet; ip -br link; tc qdisc show dev fw-inet"
    told = runs.get(path, "--no-path", "--node", "firewall", "--", "sh", "-c", show).stdout
    assert "vlan protocol 802.1Q id 100" in told
    assert "fw-inet@trunk-fw-inet" in told
    assert "rate 100Mbit" in told


def answered(ran: Ran) -> set[int]:
    """The numbers of the pings that were answered."""
    assert "200 packets transmitted" in ran.stdout, ran.told
    return {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", ran.stdout)}


def test_chance_is_the_same_in_every_run_and_another_by_another_seed(
    runs: Runs, tmp_path: Path
) -> None:
    """200 there and back, a tenth lost each way: 162 are to be expected."""
    got = []
    for label, keys in (("one", ""), ("two", ""), ("other", "    seed: 1\n")):
        folder = tmp_path / label
        folder.mkdir()
        path = impaired(folder, "direct-snat", KEYS["loss"] + keys)
        got.append(answered(runs.get(path, "--", "sh", "-c", PINGS)))
    assert all(130 < len(numbers) < 190 for numbers in got)
    assert got[0] == got[1]
    assert got[2] != got[0]


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("name", ["direct-snat", "vpn-nat", "vpn"])
def test_what_chance_does_is_nobodys_fault(
    name: str, keys: str, runs: Runs, tmp_path: Path
) -> None:
    """No finding fails, and nobody is said to have dropped, altered or repeated packets."""
    ran = runs.get(impaired(tmp_path, name, KEYS[keys]))

    assert ran.status == 0, ran.told
    assert not ran.failed
    told = ran.verdict.get("diagnosis", "")
    if keys == "duplicate" and name != "direct-snat":
        assert "came twice on fw-inet, a link that duplicates 20% of all packets" in told
    else:
        assert not told


def test_esp_that_the_link_damages_is_not_its_senders(runs: Runs, tmp_path: Path) -> None:
    # So many packets that chance hits some ESP.
    many = ("--", "sh", "-c", "ping -q -c 200 -i 0.1 $LAB_PROBE; true")
    ran = runs.get(impaired(tmp_path, "vpn", "    corrupt: 3%\n"), *many)

    assert not {"P-04", "P-05", "P-22"} & ran.failed, ran.told
    assert "corrupted on fw-inet, a link that corrupts 3%" in ran.verdict["diagnosis"]


@pytest.mark.parametrize(
    ("subnet", "firewall", "internet"),
    [("198.51.100.0/30", "198.51.100.2", "198.51.100.1"), ("198.51.100.0/31", "", "")],
)
def test_a_link_of_two_may_have_no_other_address(
    subnet: str, firewall: str, internet: str, runs: Runs, tmp_path: Path
) -> None:
    path = changed(
        tmp_path,
        "direct-snat",
        ("198.51.100.0/24", subnet),
        (
            "firewall: 198.51.100.2, internet: 198.51.100.1",
            f"firewall: {firewall}, internet: {internet}",
        ),
    )
    ran = runs.get(path)

    assert ran.status == 0, ran.told
    assert not ran.failed
