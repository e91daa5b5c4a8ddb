"""What befalls calls in real runs: by a topology file, and by a fault on a user's own program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.labs import ROOT, Runs

pytestmark = pytest.mark.kernel

BESIDE = os.fspath(ROOT / "tests" / "data" / "modems" / "modems.yaml")

TWO_CALLS_EACH = r"""
for port in 0 0 1 1; do
    chat -S ABORT BUSY ABORT 'NO CARRIER' ABORT 'NO DIALTONE' TIMEOUT 90 \
        '' ATZ OK ATDT18005550100 CONNECT '\d\c' <"/dev/modem$port" >"/dev/modem$port"
    echo "modem$port: $?"
done
"""


def dial(folder: Path, *changes: tuple[str, str]) -> str:
    text = (ROOT / "topologies" / "dial.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "calls.yaml"
    path.write_text(text)
    return os.fspath(path)


def test_each_entry_of_a_file_befalls_its_calls(runs: Runs, tmp_path: Path) -> None:
    entries = """calls:
  - { outcome: busy, from: hmc, to: "1-800-555-0100", times: 1 }
  - { outcome: line-drops, from: hmc, after: 5kB, rate: 14400, times: 1 }
  - { outcome: slow-training, rate: 9600 }

ways:
"""
    ran = runs.get(dial(tmp_path, ("ways:\n", entries)))

    assert ran.status == 0, ran.told
    # The number that is nobody's uses up no entry that needs a modem.
    assert [attempt.result for attempt in ran.record.dialled[:4]] == [
        *("BUSY", "NO CARRIER", "CONNECT 14400", "CONNECT 9600")
    ]
    assert "cut off in mid-session" in ran.verdict["diagnosis"]
    assert "R-08" not in ran.failed
    assert ran.findings["R-08"]["verdict"] == "pass"


@pytest.mark.parametrize(("fault", "said"), [("busy", "4 0 4 0"), ("no-dialtone", "6 6 6 6")])
def test_a_fault_beside_another_path_befalls_every_modem_of_ones_own_program(
    runs: Runs, fault: str, said: str
) -> None:
    """chat(8) EXIT STATUS: 4 is the first ABORT; and ``busy`` befalls one call of each line."""
    ran = runs.get(BESIDE, "--fault", fault, "--", "bash", "-c", TWO_CALLS_EACH)

    assert ran.status == 0, ran.told
    assert [line.partition(": ")[2] for line in ran.stdout.splitlines()[:4]] == said.split()


def test_the_firewall_may_be_left_out(runs: Runs, tmp_path: Path) -> None:
    firewall = "firewall: { role: firewall, snat: true }   # opens nothing: a modem passes it by"
    path = dial(tmp_path, (firewall, "firewall: { role: host }  #"))
    ran = runs.get(path, "--", "sh", "-c", 'curl -sS --cacert "$LAB_CA_FILE" "$LAB_SERVER"')

    assert ran.status == 0, ran.told
    assert "ready" in ran.stdout
