"""A profile of the user's own, from file to verdict: its servers answer, and nobody else is called."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from lab.topology import load
from tests.integration.labs import ROOT, lab

pytestmark = pytest.mark.kernel

ACME = ROOT / "tests" / "data" / "profiles" / "acme.yaml"
LISTED, UNLISTED = "203.0.114.11", "203.0.114.99"


def run(folder: Path, *words: str) -> tuple[int, dict[str, str], str]:
    """A direct path of Acme's: exit status, findings, and what was told."""
    shutil.copy(ACME, folder)
    text = (load.folder() / "direct.yaml").read_text(encoding="utf-8")
    topology = folder / "mine.yaml"
    topology.write_text(re.sub(r"(?m)^profile: .*", "profile: ./acme.yaml", text))
    out = folder / "run"
    # From elsewhere: the profile is beside the topology, and not where the command is typed.
    done = lab("run", os.fspath(topology), "--out", os.fspath(out), *words)
    verdict = json.loads((out / "verdict.json").read_text())
    assert verdict["profile"] == "./acme.yaml"
    found = {finding["requirement"]: finding["verdict"] for finding in verdict["findings"]}
    return done.returncode, found, done.stdout + done.stderr


def test_the_agent_calls_home_to_its_servers(tmp_path: Path) -> None:
    status, findings, told = run(tmp_path)

    assert status == 0, told
    # No server is down, so that none has to take the place of another; P-13 and P-16 are IBM's words.
    assert {name: found for name, found in findings.items() if found != "pass"} == dict.fromkeys(
        ("P-13", "P-16", "R-09"), "not-applicable"
    )
    assert "https://collect.acme.example acknowledged" in told
    ledger = [
        json.loads(each)
        for each in (tmp_path / "run/logs/sdc/ledger.jsonl").read_text().splitlines()
    ]
    assert "203.0.114.10" in json.dumps(ledger)
    assert "ibm.com" not in (tmp_path / "run/keys/model.json").read_text()


def test_a_packet_to_somebody_else_is_found(tmp_path: Path) -> None:
    """From a firewall that has lost its rules: with them, nothing else leaves."""
    for address, verdict in ((LISTED, "pass"), (UNLISTED, "fail")):
        ping = f"/usr/sbin/nft flush ruleset; ping -c 1 -W 1 {address}"
        _, findings, _ = run(tmp_path, "--node", "firewall", "--", "sh", "-c", ping)
        assert findings["g1"] == verdict
        shutil.rmtree(tmp_path / "run")
