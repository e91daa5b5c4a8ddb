"""What an ordinary user is told of labs that are root's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.engine import native, registry
from lab.errors import UsageError
from lab.linux import syscalls


def test_labs_of_root_are_seen_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in (
        ("17", native.KEEPER),
        ("18", native.FIRST),
        ("19", "lab"),
        ("self", native.KEEPER),
    ):
        (tmp_path / number).mkdir()
        (tmp_path / number / "comm").write_text(f"{name}\n")
    (tmp_path / "20").mkdir()
    root = os.getuid()
    monkeypatch.setattr(os, "geteuid", lambda: root + 1)
    assert native.of_root(os.fspath(tmp_path), root) == 1
    assert native.of_root(os.fspath(tmp_path), root + 2) == 0, "another user's"
    monkeypatch.setattr(os, "geteuid", lambda: root)
    assert native.of_root(os.fspath(tmp_path), root) == 0, "to root they are labs like others"


def test_where_no_lab_is_ours_the_hint_is_of_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.fspath(tmp_path))
    for count, hint in ((0, "lab up TOPOLOGY"), (1, "sudo lab status")):
        monkeypatch.setattr(native, "of_root", lambda count=count: count)
        with pytest.raises(UsageError, match=hint):
            registry.find("")


def test_a_process_has_the_name_that_it_gives_itself() -> None:
    if (child := os.fork()) == 0:
        syscalls.set_name(native.KEEPER)
        named = Path("/proc/self/comm").read_text() == f"{native.KEEPER}\n"
        os._exit(0 if named else 1)
    assert os.waitpid(child, 0)[1] == 0
