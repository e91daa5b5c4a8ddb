"""A kind of way that another package brings: no file of the lab's own knows of it (docs/extending.md)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.labs import ROOT

pytestmark = pytest.mark.kernel

BROUGHT = ROOT / "tests" / "data" / "leased"
FILE = os.fspath(BROUGHT / "leased.yaml")


def lab(*argv: str, package: bool = True) -> subprocess.CompletedProcess[str]:
    """The command, where the package is installed or not."""
    path = [os.fspath(ROOT), *([os.fspath(BROUGHT)] if package else [])]
    return subprocess.run(
        [sys.executable, "-m", "lab", *argv],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )


def run(folder: Path, *argv: str) -> tuple[int, dict[str, str], str]:
    done = lab("run", FILE, "--out", os.fspath(folder / "run"), *argv)
    verdict = json.loads((folder / "run" / "verdict.json").read_text())
    findings = {found["requirement"]: found["verdict"] for found in verdict["findings"]}
    return done.returncode, findings, verdict.get("diagnosis", "") + done.stderr


def test_it_comes_up_and_is_judged_by_its_own_requirement(tmp_path: Path) -> None:
    status, findings, told = run(tmp_path)

    assert status == 0, told
    assert findings["LL-01"] == "pass"
    assert set(findings.values()) == {"pass"}
    assert "hmc by the line of Bell" in told


def test_its_fault_is_found(tmp_path: Path) -> None:
    status, findings, told = run(tmp_path, "--fault", "line-cut")

    assert status == 1
    assert findings["LL-01"] == "fail"
    assert "the line of Bell is cut" in told


def test_what_only_follows_from_a_cause_of_its_own_is_one_line(tmp_path: Path) -> None:
    done = lab("run", FILE, "--fault", "line-cut", "--out", os.fspath(tmp_path / "run"))

    # F-03 is about the lab's own kind direct, of which nothing is known here.
    assert re.findall(r"^(\S+) +fail ", done.stdout, re.MULTILINE) == ["LL-01", "F-03"]
    assert "1 more follows from this: OUT-03 (--all shows them)" in done.stdout
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["broke_first"] == "LL-01"


def test_it_is_drawn_and_checked(tmp_path: Path) -> None:
    assert "  carrier   Bell" in lab("show", FILE).stdout
    assert lab("faults", FILE).stdout.split()[0] == "line-cut"

    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(Path(FILE).read_text().replace("carrier: Bell", "carrier: 4711, gateways: []"))
    refused = lab("show", os.fspath(wrong))
    assert refused.returncode == 2
    assert "ways.line.gateways: unknown key; a way of kind vpn has it" in refused.stderr


def test_without_the_package_the_kind_is_unknown() -> None:
    refused = lab("run", FILE, package=False)

    assert refused.returncode == 2
    assert (
        "ways.line.kind: must be direct, vpn, dial, proxy, pass-through or consoles, not 'leased'"
        in refused.stderr
    )


def test_no_file_of_the_labs_own_knows_of_it() -> None:
    own = [path for folder in ("lab", "tunnels") for path in (ROOT / folder).rglob("*.py")]
    assert len(own) > 100
    assert [path for path in own if re.search(r"leased_line|LL-01", path.read_text())] == []
