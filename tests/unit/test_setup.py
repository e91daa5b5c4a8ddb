"""The set-up's refusals and its display; that it installs is proven on a whole machine."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from lab import packages
from lab.cli import progress

REPO = Path(__file__).resolve().parents[2]


def _program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _install(path: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", packages.INSTALLER, *names],
        env={"PATH": os.fspath(path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_apt_the_packages_are_named(tmp_path: Path) -> None:
    done = _install(tmp_path, "xl2tpd", "ppp")
    assert done.returncode == 3
    assert "no apt-get" in done.stderr
    assert "xl2tpd ppp" in done.stderr


def test_without_root_the_one_command_is_given(tmp_path: Path) -> None:
    _program(tmp_path, "apt-get", "echo called; exit 1")
    _program(tmp_path, "id", "echo 1000")
    done = _install(tmp_path, "xl2tpd")
    assert done.returncode == 3
    assert f"sudo sh {packages.INSTALLER} xl2tpd" in done.stderr
    assert "called" not in done.stdout


@pytest.mark.parametrize("script", ["tools/setup", "lab/data/install-packages", ".ci/run"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    path = REPO / script
    assert os.access(path, os.X_OK)
    shell = path.read_text().splitlines()[0].removeprefix("#!")
    assert subprocess.run([shell, "-n", path], check=False).returncode == 0


def test_make_without_a_target_lists_every_target() -> None:
    makefile = (REPO / "Makefile").read_text()
    told = subprocess.run(
        ["make", "-s"], cwd=REPO, capture_output=True, text=True, check=True
    ).stdout
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:"))
    assert [line.split()[0] for line in told.splitlines()] == phony.split()[1:]


def test_plain_progress_tells_each_step_and_then_now_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stream = io.StringIO()
    lines = progress.Lines(stream)
    for done in range(0, 41):
        lines.step("compiling", done, 100)
        now[0] += 0.5
    assert stream.getvalue().splitlines() == [
        "compiling ...",
        "compiling: 20 of about 100, about 40 s left",
        "compiling: 40 of about 100, about 30 s left",
    ]


def test_a_bar_is_drawn_on_a_terminal_only() -> None:
    stream = io.StringIO()
    with progress.shown(stream) as plain:
        plain.note("a word")
    assert stream.getvalue() == "a word\n"
