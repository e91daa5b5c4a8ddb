"""AT&T's gateway, tried in the lab's own kernel, which has PPP and every rule that the fence needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.labs import DEADLINE_S, ROOT

pytestmark = pytest.mark.kernel

MODULES = ("tests/integration/test_lig.py", "tests/unit/test_fence.py")


def test_nothing_of_the_gateway_is_left_out_in_the_labs_own_kernel(tmp_path: Path) -> None:
    path = os.pathsep.join([os.fspath(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lab", "run", "direct", "--quiet", "--out", tmp_path / "run"),
            *("--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *MODULES),
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
    assert int(passed[1]) > 25
    assert "skipped" not in done.stdout
