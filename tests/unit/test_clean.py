"""`make clean` removes what the lab made, and the environment last."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
MADE = ("runs", "vagrant-runs", "dist", ".pytest_cache", ".hypothesis", "lab/__pycache__", ".venv")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with all that is made in one."""
    here = tmp_path / "checkout"
    (here / "tools").mkdir(parents=True)
    shutil.copy(REPO / "tools" / "clean", here / "tools" / "clean")
    for name in MADE:
        (here / name).mkdir(parents=True)
        (here / name / "file").touch()
    (here / "lab" / "run").mkdir()
    (here / "lab" / "run" / "run.py").touch()
    return here


def clean(checkout: Path, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "tools" / "clean"],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_that_was_made_goes(checkout: Path) -> None:
    assert clean(checkout, os.environ["PATH"]).returncode == 0
    left = {str(path.relative_to(checkout)) for path in checkout.rglob("*") if path.is_file()}
    assert left == {"tools/clean", "lab/run/run.py"}


def test_what_may_not_be_removed_is_told_before_the_environment_is_gone(checkout: Path) -> None:
    programs = checkout.parent / "bin"
    programs.mkdir()
    (programs / "rm").write_text(
        '#!/bin/sh\ncase " $* " in *" runs "*) exit 1 ;; esac\nexec /bin/rm "$@"\n'
    )
    (programs / "rm").chmod(0o755)
    done = clean(checkout, f"{programs}:{os.environ['PATH']}")
    assert done.returncode == 3
    assert "not removed: runs" in done.stderr
    assert "sudo make clean" in done.stderr
    assert (checkout / ".venv").exists()
    assert (checkout / "runs").exists()
