"""The set-up's refusals and its display; that it installs is proven on a whole machine."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.cli import progress
from lab.wait import wait_until

REPO = Path(__file__).resolve().parents[2]


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


SET_UP = "import sys; print(*sys.argv[1:], file=open('before', 'a'))"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a made-up environment whose `lab` writes down how it was called."""
    for name in ("tools/setup", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPO / name, tmp_path / name)
    for name in ("topologies", "lab", ".venv/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "topologies" / "vpn.yaml").write_text("schema: 1\n")
    (tmp_path / "mine.yaml").write_text("schema: 1\n")
    (tmp_path / "lab/__main__.py").write_text(SET_UP)
    _program(tmp_path / ".venv/bin/python", "exit 1")
    _program(
        tmp_path / ".venv/bin/lab",
        'echo "$*" >>calls; while [ "$1" != --stamp ]; do shift; done; echo tools/setup >"$2"',
    )
    key = subprocess.run(
        ["sh", "-c", "(readlink -f /usr/bin/python3; cat pyproject.toml requirements.lock; pwd) | cksum"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    (tmp_path / ".venv/setup").write_text(f"{key}.\ntools/setup\n")
    for path in tmp_path.rglob("*"):  # Older than any stamp.
        os.utime(path, (1, 1))
    return tmp_path


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _set_up(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "tools/setup", *words], capture_output=True, text=True, check=False
    )


def _calls(checkout: Path) -> int:
    return len((checkout / "calls").read_text().splitlines())


def test_a_topology_that_does_not_exist_is_told_before_anything_is_done(checkout: Path) -> None:
    done = _set_up(checkout, "--for", "vpnn")
    assert done.returncode == 2
    assert "no topology 'vpnn'; there are: vpn;" in done.stderr
    assert not (checkout / "calls").exists()
    for name in ("vpn", "mine.yaml"):
        assert _set_up(checkout, "--for", name).returncode == 0


def test_the_second_set_up_does_not_even_ask_the_lab(checkout: Path) -> None:
    for _ in range(2):
        done = _set_up(checkout, "--without-kernel")
        assert (done.returncode, done.stderr) == (0, "")
    assert _calls(checkout) == 1
    # Other options, other needs.
    assert _set_up(checkout).returncode == 0
    assert _calls(checkout) == 2


def test_a_newer_list_or_a_lost_file_is_looked_at(checkout: Path) -> None:
    assert _set_up(checkout).returncode == 0
    stamp = next(checkout.glob(".venv/machine-*"))
    stamp.write_text("tools/setup\n/nowhere/program\n")
    assert _set_up(checkout).returncode == 0
    assert _calls(checkout) == 2

    os.utime(stamp, (10, 10))
    (checkout / "lab/data").mkdir()
    assert _set_up(checkout).returncode == 0
    assert _calls(checkout) == 3


def test_an_environment_without_the_tests_packages_is_no_environment_for_tests(
    checkout: Path,
) -> None:
    assert _set_up(checkout).returncode == 0
    # There is nothing to install them from here: what counts is that it is tried.
    done = _set_up(checkout, "--with-tests")
    assert done.returncode == 3
    assert "adding the tests' Python packages" in done.stderr
    assert (checkout / ".venv/bin/lab").exists()

    # With them, it serves labs, too.
    stamp = checkout / ".venv/setup"
    stamp.write_text(stamp.read_text().replace("\n.\n", "\n.[dev]\n"))
    for words in ((), ("--with-tests",)):
        assert _set_up(checkout, *words).returncode == 0


def test_packages_and_kernel_are_set_up_while_pip_is_at_work(checkout: Path) -> None:
    # The environment's pip ends when the other has been called, and never else.
    _program(
        checkout / ".venv/bin/python", 'test "$2" = pip || exit 0; until [ -s before ]; do :; done'
    )
    done = _set_up(checkout, "--with-tests")
    assert done.returncode == 0, done.stderr
    assert (checkout / "before").read_text() == "setup --install-only --with-tests\n"
    assert _calls(checkout) == 1, "the environment's own lab concludes"


def test_pip_does_not_outlive_a_set_up_that_failed(checkout: Path) -> None:
    (checkout / "lab/__main__.py").write_text(
        "import os, sys\nwhile not os.path.exists('pip'): pass\nsys.exit(3)"
    )
    _program(
        checkout / ".venv/bin/python",
        "echo $$ >pip.new; mv pip.new pip; exec sleep 60",
    )
    assert _set_up(checkout, "--with-tests").returncode == 3
    pip = int((checkout / "pip").read_text())
    wait_until("pip has ended", lambda: not Path(f"/proc/{pip}").exists(), 60.0)
