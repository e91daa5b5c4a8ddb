"""The Vagrantfile is one, as far as Vagrant can tell without making a machine."""

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
