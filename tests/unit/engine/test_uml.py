"""Kernels that do not come up, played by shell scripts; no real one is booted here."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from lab.engine import uml
from lab.errors import BootError
from lab.wait import wait_until


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def start(folder: Path, script: str) -> None:
    kernel = folder / "linux"
    kernel.write_text(f"#!/bin/sh\n{script}\n")
    kernel.chmod(0o755)
    run_dir = folder / "run"
    run_dir.mkdir()
    with uml.start(kernel, folder, run_dir, virtual=True):
        pytest.fail("it did not come up")


def test_one_that_ends_at_once(tmp_path: Path) -> None:
    with pytest.raises(BootError) as caught:
        start(tmp_path, "echo first; echo its last words; exit 1")
    assert caught.value.exit_status == 3
    assert caught.value.reason == "it ended with exit status 1"
    assert caught.value.message.endswith("    | first\n    | its last words")
    assert "kernel.log" in caught.value.hint
    assert "--engine native" in caught.value.hint
    assert not list((tmp_path / "run").glob(".uml*"))


def test_one_that_ends_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="status 0, without a word"):
        start(tmp_path, "exit 0")


def test_one_that_panics(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="Kernel panic - not syncing: VFS"):
        start(tmp_path, "echo 'Kernel panic - not syncing: VFS: no root'; kill -ABRT $$")


@pytest.mark.parametrize(
    ("words", "reason", "fix"),
    [
        (
            "userspace - ptrace set fp regs failed, errno = 14",
            "floating-point state",
            "build --again",
        ),
        ("Checking PROT_EXEC mmap in /tmp...Operation not permitted", "noexec", "TMPDIR"),
        ("check_ptrace : expected SIGSTOP, got status = 256", "may not trace", "lab doctor"),
        (
            "Bus error - the host /dev/shm or /tmp mount likely just ran out of space",
            "is full",
            "TMPDIR",
        ),
    ],
)
def test_one_whose_reason_is_known(tmp_path: Path, words: str, reason: str, fix: str) -> None:
    script = f"echo '{words}'; echo 'Kernel panic - not syncing: Attempted to kill init!'; exit 1"
    with pytest.raises(BootError) as caught:
        start(tmp_path, script)
    assert reason in caught.value.reason
    assert fix in caught.value.hint
    assert "vagrant up" in caught.value.hint
    assert words in caught.value.message


@pytest.mark.parametrize("seccomp", [True, False])
def test_seccomp_is_asked_for_where_it_is_known(tmp_path: Path, seccomp: bool) -> None:
    line = uml.kernel_line((3, 4, 5), ["init"], virtual=True, seccomp=seccomp, uml_dir=tmp_path)
    assert ("seccomp=auto" in line) is seccomp
    assert line.index("--") > line.index("time-travel=inf-cpu")


def test_one_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uml, "BOOT_DEADLINE_S", 0.3)
    never = tmp_path / "never"
    os.mkfifo(never)
    with pytest.raises(BootError, match=r"it was not up within 0\.3 s, without a word"):
        start(tmp_path, f"exec cat {never}")
    wait_until("its end", lambda: not runs(os.fspath(tmp_path)), 60.0)


def runs(word: str) -> bool:
    """Whether there is a process with a word in its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word in path.read_text(errors="replace"):
                return True
    return False


def test_one_that_talks_nonsense(tmp_path: Path) -> None:
    # Whatever comes first is not the greeting; it must not be taken for a lab.
    words = 'for word; do case $word in ssl0=*) eval "printf x >&${word##*fd:}";; esac; done'
    with pytest.raises(BootError):
        start(tmp_path, words + "; exit 3")


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "linux").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "linux").chmod(0o755)
    with (
        pytest.raises(BootError, match="cannot be started"),
        uml.start(tmp_path / "linux", tmp_path, tmp_path / "run", virtual=True),
    ):
        pytest.fail("it did not come up")
