"""Consoles that discover each other: what tshark sees, what dies, and what wild datagrams do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.labs import Runs, changed
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

NAME, BOXES = "consoles", "consoles-ds8000"
FIELDS = "ip.src", "ip.dst", "eth.dst", "udp.srcport", "data.data"


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([(NAME,), (BOXES,)])


@pytest.mark.parametrize("name", [NAME, BOXES])
def test_all_of_it_holds(name: str, runs: Runs) -> None:
    ran = runs.get(name)

    assert (ran.status, ran.failed) == (0, set()), ran.told
    judged = {n for n, f in ran.findings.items() if f["verdict"] == "pass"}
    assert judged >= ({"M-01", "M-02"} if name == NAME else {"M-01", "M-09"})


def test_tshark_sees_a_broadcast_of_each_card_and_no_malformed_json(runs: Runs) -> None:
    ran = runs.get(NAME)
    broadcasts = set()
    for capture in sorted((ran.run_dir / "wire").glob("*.pcapng")):
        for source, target, mac, port, said in tshark(capture, FIELDS, "-Y", "udp.dstport == 9900"):
            hello = json.loads(bytes.fromhex(said))
            assert (hello["callhome-console"], port) == (1, "9900")
            if mac == "ff:ff:ff:ff:ff:ff":
                broadcasts.add((capture.stem, hello["name"], source, target))
    assert broadcasts == {
        ("lan-a", "hmc-a", "192.168.10.10", "192.168.10.255"),
        ("svc-a", "hmc-a", "192.168.128.1", "192.168.128.255"),
        ("lan-a", "hmc-b", "192.168.10.11", "192.168.10.255"),
        ("lan-b", "hmc-c", "192.168.20.10", "192.168.20.255"),
        ("svc-b", "hmc-c", "192.168.129.1", "192.168.129.255"),
    }


SPEAKS = """
import json, os, socket
mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mine.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
mine.bind(("192.168.10.50", 9900))
ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ears.bind(("192.168.10.255", 9900))
def say(**fields):
    said = {"callhome-console": 1, "name": "mine", "hold": 300} | fields
    mine.sendto(json.dumps(said).encode(), ("192.168.10.255", 9900))
say(ask=True)
heard = {json.loads(mine.recv(2000))["name"] for _ in range(2)}
assert heard == {"hmc-a", "hmc-b"}, heard
for _ in range(500):
    mine.sendto(os.urandom(200), ("192.168.10.255", 9900))
say(ask=True, name="mine")
assert {json.loads(mine.recv(2000))["name"] for _ in range(2)} == {"hmc-a", "hmc-b"}
heard = 0
while heard < 3:
    heard += ears.recvfrom(2000)[1][0] == "192.168.10.10"
"""


def test_a_console_of_ones_own_is_known_answered_and_gone_when_it_is_silent(
    runs: Runs, tmp_path: Path
) -> None:
    """By the format of docs/consoles.md alone; noise beside it changes nothing.

    It says nothing more, and listens until hmc-a has broadcast three times again: each 300 seconds.
    """
    script = tmp_path / "speaks.py"
    script.write_text(SPEAKS)
    name = changed(
        tmp_path,
        NAME,
        ("  cec-1:    { role: cec }", "  mine:     { role: host }\n  cec-1:    { role: cec }"),
        ("hmc-b: 192.168.10.11,", "hmc-b: 192.168.10.11, mine: 192.168.10.50,"),
        to="mine",
    )
    ran = runs.get(name, "--node", "mine", "--", "python3", str(script))

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    told: list[tuple[str, str, float]] = [
        (e["kind"], e["source"], e.get("silent_s", 0.0))
        for e in ran.events
        if e.get("console") == "mine"
    ]
    found, lost = told[:2], told[2:]
    assert {(kind, source) for kind, source, _ in found} == {
        ("console-discovered", "hmc-a"),
        ("console-discovered", "hmc-b"),
    }
    assert {(kind, source) for kind, source, _ in lost} == {
        ("console-lost", "hmc-a"),
        ("console-lost", "hmc-b"),
    }
    assert all(300 <= silent < 301 for _, _, silent in lost)
    assert "hmc-a broadcast on lan-a 4, svc-a 4" in ran.findings["M-01"]["seen"]
    assert not [e for e in ran.events if e["kind"] == "console-lost" and e["console"] != "mine"]


def test_consoles_apart_that_manage_nothing_together_are_not_asked_to_know_each_other(
    runs: Runs, tmp_path: Path
) -> None:
    name = changed(tmp_path, NAME, ("hmc-c: { manages: [cec-1] }", "hmc-c: {}"), to="apart")
    ran = runs.get(name)

    assert ran.findings["M-02"]["verdict"] == "not-applicable"
    assert (
        "no two consoles on different links manage the same system" in ran.findings["M-02"]["seen"]
    )
    assert ran.status == 0, ran.told
