"""The tests that want root and a full kernel, run in the lab's own: there nothing of them is left out.

On the host they run too, as far as its kernel and its user allow.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.labs import DEADLINE_S, ROOT

pytestmark = pytest.mark.kernel

MODULES = (
    "tests/integration/test_netlink.py",
    "tests/integration/test_wires.py",
    "tests/integration/test_wires_ipv6.py",
    "tests/unit/test_firewall.py",
)


def test_nothing_is_left_out_in_the_labs_own_kernel(tmp_path: Path) -> None:
    inside = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *MODULES]
    lab: list[str | Path] = [
        sys.executable,
        "-m",
        "lab",
        "run",
        "direct-snat",
        "--quiet",
        "--out",
        tmp_path / "run",
    ]
    done = subprocess.run(
        [*lab, "--", *inside],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([os.fspath(ROOT), *filter(None, sys.path)]),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 15
    assert "skipped" not in done.stdout
