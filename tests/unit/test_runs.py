"""What the host makes of a run: here, of captures that missed something."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from lab import codec
from lab.engine.host import Clock, Engine
from lab.engine.run_dir import new_run_dir
from lab.errors import UsageError
from lab.record.cause import Blame
from lab.record.record import Record
from lab.run.run import Run
from lab.topology.load import load
from lab.topology.resolve import resolve


def judged(tmp_path: Path, record: Record) -> Run:
    run_dir = new_run_dir("direct", tmp_path / "run")
    (run_dir / "record.json").write_text(codec.dump(record))
    return Run(resolve(load("direct"), secrets.token_bytes(32)), run_dir, Engine.uml, Clock.virtual)


def test_a_capture_that_lost_frames_makes_no_verdict(tmp_path: Path) -> None:
    run = judged(tmp_path, Record(started=1.0, ended=2.0, frames_lost=7))
    outcome = run.judge()
    assert outcome.verdict == "error"
    assert "lost 7 frames" in outcome.diagnosis
    assert outcome.exit_status == 4


def test_a_run_that_broke_off_makes_no_verdict(tmp_path: Path) -> None:
    why = "charon: ended with exit status 1\n    | its last words"
    run = judged(tmp_path, Record(started=1.0, ended=2.0, error=why, blame=Blame.lab))
    outcome = run.judge()
    assert (outcome.verdict, outcome.exit_status) == ("error", 4)
    assert outcome.diagnosis == "the run broke off: charon: ended with exit status 1"


def test_a_capture_that_lost_nothing_is_judged(tmp_path: Path) -> None:
    run = judged(tmp_path, Record(started=1.0, ended=2.0))
    assert run.judge().verdict != "error"


def test_a_run_directory_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has a name that is not UTF-8"):
        new_run_dir("direct", tmp_path / "a\udcff")
    assert not list(tmp_path.iterdir())
