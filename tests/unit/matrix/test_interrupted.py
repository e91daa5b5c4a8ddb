"""`lab verify` that is ended while it writes what it found: all of that is written and told."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import cli
from lab.cli import verify
from lab.engine.host import Engine
from lab.matrix import results, worker
from lab.matrix.job import Job
from lab.paths import write_whole
from tests.unit.matrix.test_crew import leave


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that passes in the place of each topology's."""

    def carry_out(_: Job, run_dir: Path, __: Engine) -> dict[str, Any]:
        return {"status": leave(run_dir)}

    monkeypatch.setattr(worker, "_carry_out", carry_out)
    monkeypatch.setattr(verify, "choose", lambda _: Engine.uml)


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_of_the_results_is_lost(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    sent: list[str] = []

    def write(path: Path, text: str) -> None:
        os.kill(os.getpid(), number)
        sent.append(path.name)
        write_whole(path, text)

    monkeypatch.setattr(results, "write_whole", write)
    # Python's own would end this test's process.
    before: Callable[..., object] | int | None = signal.signal(number, signal.default_int_handler)
    try:
        status = cli.main(["verify", "direct", "proxy", "--out", str(tmp_path / "out")])
    finally:
        signal.signal(number, before)

    assert status == 0
    assert sorted(sent) == ["junit.xml", "matrix.html", "verify.json"]
    assert {*sent, "direct", "proxy"} == {each.name for each in (tmp_path / "out").iterdir()}
    data = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert [run["came"] for run in data["runs"]] == ["right", "right"]
    assert not data["interrupted"]
    assert "2 runs: 2 right" in capsys.readouterr().err
