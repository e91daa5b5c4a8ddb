"""The agent and a management module in the lab: which port is asked first, and what a dead fan becomes."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from tests.integration.labs import ROOT, Runs

pytestmark = pytest.mark.kernel

SCRIPT = ROOT / "tests" / "data" / "imm.sh"
NOTICES = ["5990"] * 2
"""The module's own connections, to the agent."""
JUDGED = "E-04", "E-05", "R-06", "g2", "g5", "OUT-02"
ON_LAN = ROOT / "tests" / "data" / "topologies" / "imm-on-lan.yaml"


def hear(out: Path, *ports: str) -> tuple[dict[str, str], str]:
    """What the script finds, by its names, and what the service told."""
    lab = [sys.executable, "-m", "lab", "run", "direct", "--out", str(out), "--"]
    done = subprocess.run(
        [*lab, "sh", str(SCRIPT), sys.executable, *ports],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^([^:\n]+): (.*)$", done.stdout, re.MULTILINE)), done.stderr


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        (("https", "http"), ["5989"]),
        (("http",), ["5989", "5988"]),
    ],
)
def test_a_failure_that_the_module_tells_of_calls_home(
    there: tuple[str, ...], asked: list[str], tmp_path: Path
) -> None:
    """E-04, E-05 and R-06: by the SYNs, 5989 is first, and 5988 has none unless 5989 is refused."""
    found, told = hear(tmp_path / "out", *there)
    assert found["the module"] == "told twice"
    assert found["the ports"].split() == asked + NOTICES
    assert re.fullmatch(r"PMH\d+ B1817201 1 open Fan 3 has failed", found["the problem"])
    assert found["problems"] == "1"
    assert "the service" not in found
    assert f"subscribed at 169.254.95.118 port {asked[-1]}" in told


def asked_ports(run_dir: Path) -> list[str]:
    """The ports of the lab's own module that are asked, in order, as tcpdump reads the capture."""
    done = subprocess.run(
        ["tcpdump", "-nn", "-r", run_dir / "wire" / "module.pcapng", "tcp[13] & 18 == 2"],
        capture_output=True,
        text=True,
        check=True,
    )
    return re.findall(r"> 169\.254\.95\.118\.(\d+): Flags", done.stdout)


@pytest.mark.parametrize(("fault", "asked"), [("", ["5989"]), ("imm-https-off", ["5989", "5988"])])
def test_the_labs_own_module(runs: Runs, fault: str, asked: list[str]) -> None:
    ran = runs.get("esa-imm", *(("--fault", fault) if fault else ()))
    assert ran.status == 0, ran.told
    assert asked_ports(ran.run_dir) == asked
    assert {ran.findings[name]["verdict"] for name in JUDGED} == {"pass"}
    assert f"subscribed at {asked[-1]}" in ran.findings["E-05"]["seen"]
    assert ("its log-in was in clear" in ran.findings["g5"]["seen"]) == bool(fault)


def test_no_file_but_the_model_has_the_modules_password(runs: Runs) -> None:
    """At 5988 the capture has the log-in, as HTTP has it; nothing else has it in any form."""
    ran = runs.get("esa-imm", "--fault", "imm-https-off")
    password = ran.topology.modules[0].password.reveal()
    user = ran.topology.modules[0].user
    forms = password.encode(), b64encode(f"{user}:{password}".encode())
    files = [path for path in ran.run_dir.rglob("*") if path.is_file()]
    having = {p.relative_to(ran.run_dir).as_posix() for p in files if is_in(forms, p.read_bytes())}
    assert having == {"keys/model.json", "wire/module.pcapng"}


def is_in(forms: tuple[bytes, ...], content: bytes) -> bool:
    return any(form in content for form in forms)


def test_a_module_on_the_customers_network(runs: Runs) -> None:
    ran = runs.get(str(ON_LAN))
    assert ran.status == 0, ran.told
    assert not ran.failed
    assert "but for 1 notice of imm" in ran.findings["g2"]["seen"]
    assert "or by imm to tell of a failure" in ran.findings["OUT-02"]["expected"]


@pytest.mark.parametrize(
    ("urls", "e_04"),
    [
        (("https://{}:5989", "http://{}:5988"), "pass"),
        (("http://{}:5988",), "fail"),
    ],
)
def test_another_makers_agent(runs: Runs, urls: tuple[str, ...], e_04: str) -> None:
    ran = runs.get("esa-imm", "--", sys.executable, "-m", "tests.unit.imm.console", *urls)
    assert ran.status == 0, ran.told
    assert re.fullmatch(r"PMH\d+\n", ran.stdout.splitlines(keepends=True)[0])
    assert ran.findings["E-05"]["verdict"] == "pass", ran.findings["E-05"]["seen"]
    assert ran.findings["E-04"]["verdict"] == e_04
    assert ran.findings["g5"]["verdict"] == e_04
