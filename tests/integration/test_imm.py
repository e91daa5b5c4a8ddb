"""The agent and a management module in the lab: which port is asked first, and what a dead fan becomes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.labs import ROOT

pytestmark = pytest.mark.kernel

SCRIPT = ROOT / "tests" / "data" / "imm.sh"
NOTICES = ["5990"] * 2
"""The module's own connections, to the agent."""


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
