"""The Vagrantfile and the programs around it, as far as they go without making a machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(
    not shutil.which("vagrant"), reason="there is no program vagrant: Vagrant is not installed"
)
@pytest.mark.parametrize(
    "variables", [{}, {"LAB_VM_EMULATE": "1", "LAB_VM_KERNEL": "1", "LAB_VM_BOX": "a/b"}]
)
def test_vagrant_takes_it(tmp_path: Path, variables: dict[str, str]) -> None:
    own = {"VAGRANT_HOME": os.fspath(tmp_path), "VAGRANT_DOTFILE_PATH": os.fspath(tmp_path / "dot")}
    done = subprocess.run(
        ["vagrant", "validate"], cwd=REPO, env={**os.environ, **own, **variables}, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_that_is_made_here_stays_here() -> None:
    """What Git leaves out is not for the machine, either."""
    text = (REPO / "Vagrantfile").read_text()
    excluded = text.split("rsync__exclude: [")[1].split("]")[0]
    ignored = [line.strip("/") for line in (REPO / ".gitignore").read_text().split()]
    assert [name for name in ignored if name != ".vagrant" and f'"{name}' not in excluded] == []


def test_every_variable_is_documented() -> None:
    told = (REPO / "docs" / "vagrant.md").read_text()
    names = set(re.findall(r"LAB_VM_[A-Z_]+", (REPO / "Vagrantfile").read_text()))
    assert len(names) == 6
    assert {name for name in names if name not in told} == set()


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    "name", ["vagrant-box", "vagrant-provision", "vagrant-runs", "lab-as-root", "clean"]
)
def test_scripts_are_executable_and_parse(name: str) -> None:
    path = REPO / "tools" / name
    assert os.access(path, os.X_OK)
    assert subprocess.run(["/bin/sh", "-n", path], check=False).returncode == 0


def test_the_check_says_what_it_is() -> None:
    done = subprocess.run(
        [REPO / "tools" / "vagrant-check", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "--kvm" in done.stdout


@pytest.mark.parametrize(
    ("user", "words", "expected"),
    [
        (
            "1000",
            ["run", "vpn nat"],
            "sudo --preserve-env env HOME=/home/v PATH={path} env {own} {lab} <run> <vpn nat>",
        ),
        ("0", ["down"], "{lab} <down>"),
        ("1000", ["kernel", "build"], "{lab} <kernel> <build>"),
    ],
)
def test_the_command_of_the_machine_becomes_root_where_it_must(
    tmp_path: Path, user: str, words: list[str], expected: str
) -> None:
    here, programs = tmp_path / "here", tmp_path / "bin"
    (here / ".venv" / "bin").mkdir(parents=True)
    programs.mkdir()
    lab = here / ".venv" / "bin" / "lab"
    program(lab.parent, "lab", f'printf "%s" {lab}; printf " <%s>" "$@"')
    program(programs, "id", f"echo {user}")
    # What it is called with, and then as sudo would go on.
    program(
        programs,
        "sudo",
        'printf "sudo %s %s %s %s %s %s %s " "$1" "$2" "$3" "$4" "$5" "$6" "$7"; shift; exec "$@"',
    )
    command = tmp_path / "lab"
    command.write_text((REPO / "tools" / "lab-as-root").read_text().replace("@HERE@", str(here)))
    path = f"{programs}:/usr/bin:/bin"
    done = subprocess.run(
        ["/bin/sh", command, *words],
        env={"PATH": path, "HOME": "/home/v"},
        capture_output=True,
        text=True,
        check=False,
    )
    own = "XDG_RUNTIME_DIR=/run/callhome-lab LAB_COMMAND=lab"
    assert done.stdout == expected.format(path=path, own=own, lab=lab), done.stderr
