"""Copies of recordings as run directories that were judged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import codec, verify
from lab.record.record import Record
from lab.topology.model import Topology
from lab.verify import verdict
from lab.verify.case import Case
from lab.verify.verdict import Result
from tests.recordings import archive

Judged = tuple[Case, Result]


def judged(run_dir: Path) -> Judged:
    """What ``Run.judge`` makes of a run directory, without evidence; ``verdict.json`` is written."""
    topology = codec.load(Topology, (run_dir / "keys" / "model.json").read_text())
    record = codec.load(Record, (run_dir / "record.json").read_text())
    case = Case(topology, record, run_dir)
    findings, first = verify.sort_out(case, verify.judge(case))
    found = verify.diagnose(case)
    result = verdict.result(
        topology,
        record,
        findings,
        engine="uml",
        clock="virtual",
        wall_s=1.0,
        diagnosis="" if found.cause == verify.NOTHING else str(found),
        broke_first=first,
    )
    verdict.write(run_dir / "verdict.json", result)
    return case, result


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A recording's run directory, judged once; nobody changes it."""
    there: dict[str, Path] = {}

    def unpack(name: str) -> Path:
        if name not in there:
            there[name] = archive.unpack(name, tmp_path_factory.mktemp("judged") / name)
            judged(there[name])
        return there[name]

    return unpack


@pytest.fixture
def run_dir(unpacked: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of it, which a test may change."""

    def copy(name: str) -> Path:
        return shutil.copytree(unpacked(name), tmp_path / name)

    return copy
