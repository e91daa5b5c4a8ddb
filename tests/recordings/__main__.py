"""Make recordings anew: all of them, or those that are named. ``make recordings``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from lab.names import check_known
from lab.ways import faults
from tests.integration.labs import Ran, Runs
from tests.recordings import archive, plans


def main(wanted: list[str]) -> int:
    every = plans.everything()
    for name in wanted:
        check_known("recording", name, every)
    chosen = {name: every[name] for name in wanted or every}
    failures = 0
    with tempfile.TemporaryDirectory() as folder, Runs(Path(folder), ahead=True) as runs:
        runs.start(chosen.values())
        for name, plan in chosen.items():
            ran = runs.get(*plan)
            if why := _unfit(name, ran):
                failures += 1
                sys.stderr.write(f"{name}: {why}\n{ran.told}\n")
                continue
            path = archive.pack(name, ran.run_dir, plan)
            _say(f"{_kilobytes(path):9.1f} KB  {name}")
    if not wanted:
        for name in {*archive.names()} - {*every}:
            archive.path_of(name).unlink()
            _say(f"     removed  {name}")
    sizes = [_kilobytes(archive.path_of(name)) for name in archive.names()]
    _say(f"{sum(sizes):9.1f} KB  in {len(sizes)} recordings")
    return 1 if failures else 0


def _unfit(name: str, ran: Ran) -> str:
    """Why a run is not what was to be recorded; empty if it is."""
    known = {fault.name: fault for fault in reversed(faults.known())}
    fault = known.get(ran.topology.fault) if ran.run_dir.exists() else None
    survives = fault is not None and (fault.survives or fault.backed_up(ran.topology))
    wanted = 0 if name in plans.GOOD or survives else 1
    if ran.status != wanted:
        return f"exit status {ran.status}, not {wanted}"
    if name in plans.GOOD and ran.failed:
        return f"{', '.join(sorted(ran.failed))} failed"
    return ""


def _kilobytes(path: Path) -> float:
    return path.stat().st_size / 1000


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
