"""What a killed lab left is known by a lock that nobody holds; all else stays."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine import gc
from lab.engine.run_dir import in_use
from lab.errors import UsageError
from lab.kernel import store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.fspath(tmp_path / "runtime"))
    (tmp_path / "runtime").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    """A run directory with all that a killed lab may leave in it."""
    run = tmp_path / "runs" / "pytest-1" / "1-vpn"
    for name in ("keys", "wire", "logs", ".uml-x"):
        (run / name).mkdir(parents=True)
    (run / "keys" / "model.json").write_text("{}")
    (run / ".uml-x" / "pid").write_text("1")
    (run / "wire" / "frames.spool").write_bytes(b"")
    (run / "wire" / "lan.pcapng.part").write_bytes(b"")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(run, os.O_PATH)
        listener.bind(f"/proc/self/fd/{here}/control.sock")
        os.close(here)
        yield run


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_leftovers_go_and_all_else_stays(run_dir: Path) -> None:
    kept = [
        run_dir / "wire" / "lan.pcapng",
        run_dir / ".uml-file",
        run_dir / "logs" / "control.sock",
        run_dir.parents[1] / "somebody" / ".uml-x" / "pid",
        run_dir.parents[1] / "somebody" / "wire" / "frames.spool",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    before = everything(run_dir.parents[1])
    told = list(gc.collect([run_dir.parents[1]]))
    assert len(told) == 4
    gone = before - everything(run_dir.parents[1])
    assert gone == {
        run_dir / "control.sock",
        run_dir / ".uml-x",
        run_dir / ".uml-x" / "pid",
        run_dir / "wire" / "frames.spool",
        run_dir / "wire" / "lan.pcapng.part",
    }
    assert not list(gc.collect([run_dir.parents[1]]))


def test_a_lab_that_lives_is_left_alone(run_dir: Path) -> None:
    before = everything(run_dir)
    with in_use(run_dir):
        assert not list(gc.collect([run_dir.parents[1]]))
        assert everything(run_dir) == before
    assert list(gc.collect([run_dir.parents[1]]))


def test_a_build_that_was_killed_goes_and_one_that_runs_stays() -> None:
    folder = store.folder()
    (folder / ".build-1" / "tree").mkdir(parents=True)
    (folder / "0123456789abcdef").mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not list(gc.collect([]))
        assert (folder / ".build-1" / "tree").exists()
    assert len(list(gc.collect([]))) == 1
    assert {path.name for path in folder.iterdir()} == {"lock", "0123456789abcdef"}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        list(gc.collect([tmp_path / "absent"]))
