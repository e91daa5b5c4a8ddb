"""A partition of i5/OS, tried in the lab's own kernel, which has L2TP and PPP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.labs import DEADLINE_S, ROOT

pytestmark = pytest.mark.kernel

MODULES = {"tests/integration/test_partition.py": 29, "tests/integration/test_remote_modem.py": 7}
"""With how many tests each has at least."""


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_a_partition_is_left_out_in_the_labs_own_kernel(
    tmp_path: Path, module: str
) -> None:
    path = os.pathsep.join([os.fspath(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lab", "run", "direct", "--quiet", "--out", tmp_path / "run"),
            *("--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", module),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= MODULES[module]
    assert "skipped" not in done.stdout
