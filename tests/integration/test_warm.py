"""A call by the process that has the lab's modules is to a test what a call from a shell is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.integration.labs import ROOT
from tests.integration.users import wait_gone
from tests.integration.warm import Warm

DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def warm() -> Warm:
    """Started in an environment that no call has."""
    made = Warm()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_COMMAND", "another")
        made.lab("--version", cwd=ROOT, env=os.environ, timeout=DEADLINE_S)
    return made


def from_a_shell(*argv: str, cwd: Path, env: Mapping[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "lab", *argv], cwd=cwd, env=env, capture_output=True, text=True,
        timeout=DEADLINE_S, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ("list",),
        ("faults", "vpn", "--json"),
        ("show", "own.yaml"),
        ("run", "nowhere.yaml"),
        ("run", "direct", "--fault", "drop-esp"),
        ("verify", "--jobs", "-1"),
        ("run",),
        ("--version",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("changed", [{}, {"LAB_COMMAND": "mine"}])
def test_status_and_streams_are_those_of_a_call_from_a_shell(
    warm: Warm, tmp_path: Path, argv: tuple[str, ...], changed: Mapping[str, str]
) -> None:
    """Whatever folder and environment the process itself has."""
    own = (ROOT / "topologies" / "direct.yaml").read_text()
    (tmp_path / "own.yaml").write_text(own.replace("name: direct", "name: own"))
    env = {**os.environ, "PYTHONPATH": os.fspath(ROOT), **changed}

    done = warm.lab(*argv, cwd=tmp_path, env=env, timeout=DEADLINE_S)

    expected = from_a_shell(*argv, cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout, done.stderr) == expected


@pytest.mark.kernel
def test_who_does_not_end_is_ended(warm: Warm, tmp_path: Path) -> None:
    run = "run", "direct", "--clock", "real", "--out", "out", "--", "sleep", "3600"

    with pytest.raises(subprocess.TimeoutExpired):
        warm.lab(*run, cwd=tmp_path, env=os.environ, timeout=3.0)

    wait_gone(os.fspath(tmp_path))
