"""What is made by `sudo lab` belongs to whoever called sudo, and nothing else is touched."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import cli
from lab.machine import sudo

Given = list[tuple[str, int, int]]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    """What is chowned: user 1000 calls, and what has no ``other`` in its name is root's."""
    calls: Given = []
    real = Path.lstat

    def lstat(path: Path) -> Any:
        found = real(path)
        return SimpleNamespace(st_uid=1001 if "other" in path.name else 0, st_mode=found.st_mode)

    def chown(path: Path, user: int, group: int, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        calls.append((path.name, user, group))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Path, "lstat", lstat)
    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setenv("SUDO_GID", "100")
    return calls


def test_all_that_is_roots_is_given_back(given: Given, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "keys").mkdir(parents=True)
    (run / "keys" / "model.json").touch()
    (run / "of-other").touch()
    (run / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "beside").touch()
    sudo.give_back([run, tmp_path / "absent"])
    assert sorted(given) == [(name, 1000, 100) for name in ("gone", "keys", "model.json", "run")]


@pytest.mark.parametrize("user", ["0", "", "nobody"])
def test_without_a_caller_nothing_is_touched(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("SUDO_UID", user)
    sudo.give_back([tmp_path])
    assert given == []


def test_a_user_with_sudos_variables_gives_nothing(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    sudo.give_back([tmp_path])
    assert given == []


def test_the_command_gives_its_bytecode_back(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = tmp_path / "lab" / "ibm" / "__pycache__"
    compiled.mkdir(parents=True)
    (compiled / "ledger.pyc").touch()
    (compiled.parent / "ledger.py").touch()
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "lab" / "cli" / "__init__.py"))
    assert cli.main(["list"]) == 0
    assert given == [("__pycache__", 1000, 100), ("ledger.pyc", 1000, 100)]
