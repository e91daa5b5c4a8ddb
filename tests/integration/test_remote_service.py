"""Remote service that nobody has enabled, looked at with other tools: curl, bash and nmap."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from lab.service.marks import Purpose
from tests.integration.labs import lab

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
HMC = "203.0.113.10"
MANY = 65_535


def run(tmp_path: Path, node: str, *command: str) -> str:
    """What a command says in a node of service-off."""
    done = lab(
        "run",
        "service-off",
        "--quiet",
        "--out",
        f"{tmp_path / node}",
        "--node",
        node,
        "--",
        *command,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_port_names_itself_to_curl(tmp_path: Path) -> None:
    """Another's client, by TCP and by UDP."""
    script = (
        f"for port in 1 22 65535; do curl -sm 5 telnet://{HMC}:$port; done; "
        f"exec 3<>/dev/udp/{HMC}/2300; echo hello >&3; head -n 1 <&3"
    )
    expected = [f"This is port tcp/{port} of hmc" for port in (1, 22, 65535)]
    said = run(tmp_path, "console", "bash", "-c", script).splitlines()
    assert said == [*expected, "This is port udp/2300 of hmc"]


def nmap(tmp_path: Path, node: str, *, again: int) -> str:
    """What nmap says of all TCP and UDP ports of the HMC, from a node.

    ``again``: how often it asks again where nothing answers.
    """
    # By a scan's source port, which captures leave out: to judge so many frames takes a minute.
    scan = [
        "nmap",
        "-n",
        "-Pn",
        "-sS",
        "-sU",
        "-g",
        f"{Purpose.control:d}",
        "-p-",
        "--min-rate",
        "20000",
    ]
    return run(tmp_path, node, *scan, "--max-retries", f"{again}", HMC)


@pytest.mark.skipif(not shutil.which("nmap"), reason="needs nmap: lab setup nmap")
def test_nmap_finds_the_same(tmp_path: Path) -> None:
    """Every port from the HMC's own wire; from the Internet none, and no word that one is closed."""
    said = nmap(tmp_path, "console", again=1)
    for protocol in ("tcp", "udp"):
        assert len(re.findall(rf"^\d+/{protocol} +open\b", said, re.MULTILINE)) == MANY
    said = nmap(tmp_path, "internet", again=0)
    assert f"{MANY} filtered tcp ports (no-response)" in said
    assert f"{MANY} open|filtered udp ports (no-response)" in said


def test_the_contract_is_printed_as_csv(tmp_path: Path) -> None:
    done = lab("service", "service-off", "--csv", "--out", f"{tmp_path}/run")
    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert list(rows[0]) == ["state", "source", "target", "what", "expected", "seen", "holds"]
    assert {row["holds"] for row in rows} == {"yes"}
    assert {row["source"] for row in rows} == {"console", "internet", "sdc", "ibm-dial"}


def test_a_topology_without_remote_service_is_refused(tmp_path: Path) -> None:
    done = lab("service", "direct", "--contract", "--out", f"{tmp_path}/run")
    assert done.returncode == 2
    assert "direct has no remote service" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_topology_may_let_answers_through(tmp_path: Path) -> None:
    """I-32, in the other reading."""
    text = (ROOT / "topologies" / "service-modem.yaml").read_text()
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace("    by: modem\n", "    by: modem\n    returns: stateful\n"))
    done = lab("run", f"{mine}", "--quiet", "--out", f"{tmp_path}/run")
    assert done.returncode == 0, done.stdout
    findings = json.loads((tmp_path / "run" / "verdict.json").read_text())["findings"]
    (own,) = (finding for finding in findings if finding["requirement"] == "I-32")
    assert (own["verdict"], "and let through" in own["seen"]) == ("pass", True)
