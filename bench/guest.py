"""Run a program of the benchmarks inside a lab's kernel and fetch what it measured."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import CannotRun
from lab.engine.host import Clock, Engine, choose, open_lab, run_program
from lab.errors import PrerequisiteError

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def run_dir() -> Iterator[Path]:
    """A directory for what a run writes, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="callhome-bench-") as directory:
        yield Path(directory)


def engine(wanted: Engine) -> Engine:
    """The engine, or CannotRun with the hint."""
    try:
        return choose(wanted)
    except PrerequisiteError as error:
        raise CannotRun(f"{error.message} (hint: {error.hint})") from error


def measure_inside(
    module: str, *arguments: str, where: Engine, clock: Clock = Clock.real, run_dir: Path
) -> Any:
    """Run ``bench.<module> RESULT ARGUMENTS...`` inside and return the JSON that it wrote."""
    result = run_dir / f"{module}.json"
    argv = (sys.executable, "-m", f"bench.{module}", os.fspath(result), *arguments)
    paths = os.pathsep.join((os.fspath(ROOT), os.environ.get("PYTHONPATH", "")))
    # The native engine's own demands are a VPN's; what is measured in it needs no more than root.
    with open_lab(engine(where) if where is Engine.uml else where, clock, run_dir) as opened:
        status = run_program(opened, argv, own=False, stdin=False, env={"PYTHONPATH": paths})
    if status != 0 or not result.exists():
        raise CannotRun(f"bench.{module} ended with status {status}")
    return json.loads(result.read_text())
