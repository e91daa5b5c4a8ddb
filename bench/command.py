"""``lab`` as users start it, timed from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from bench.figures import CannotRun
from bench.guest import ROOT, run_dir

LIMIT_S = 300


def timed_run(*command: str, topology: str = "vpn-nat") -> float:
    """Seconds from program start to program end of ``lab run TOPOLOGY -- COMMAND``."""
    paths = os.pathsep.join((os.fspath(ROOT), os.environ.get("PYTHONPATH", "")))
    with run_dir() as directory:
        argv = [sys.executable, "-m", "lab", "run", topology, "--quiet"]
        argv += ["--out", os.fspath(directory / "run"), "--", *command]
        begin = time.perf_counter()
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env={**os.environ, "PYTHONPATH": paths},
            check=False,
        )
        took = time.perf_counter() - begin

    if done.returncode != 0:
        raise CannotRun(f"lab run ended with status {done.returncode}: {done.stderr.strip()}")
    return took
