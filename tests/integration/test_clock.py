"""The lab's clock: it starts at the host's time, however long the host keeps the guest waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.labs import DEADLINE_S, ROOT

pytestmark = pytest.mark.kernel

FAR_S = 60.0
"""Virtual time that runs away does so by hours."""


@pytest.mark.parametrize("delay_s", [0.2, 0.35, 0.5])
def test_clock_starts_at_the_hosts_time(tmp_path: Path, delay_s: float) -> None:
    lab: list[str | Path] = [
        sys.executable,
        "-m",
        "lab",
        "run",
        "direct",
        "--quiet",
        "--out",
        tmp_path / "run",
    ]
    # It ends when it is told to: on a fast machine it would else be over before it is stopped.
    command = ("sh", "-c", "date +%s; read end")
    began = time.time()
    with subprocess.Popen(
        [*lab, "--", *command], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as process:
        # Stopped at some point of the boot, the host lets the guest wait.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(delay_s)
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        os.kill(process.pid, signal.SIGCONT)
        output, _ = process.communicate(b"end\n", timeout=DEADLINE_S)

    assert process.returncode == 0
    assert began - FAR_S < int(output) < time.time() + FAR_S
