"""The Vagrantfile as Vagrant reads it; what can be said of it without Vagrant is a unit test."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.labs import ROOT


@pytest.mark.skipif(
    not shutil.which("vagrant"), reason="there is no program vagrant: Vagrant is not installed"
)
@pytest.mark.parametrize(
    "variables", [{}, {"LAB_VM_EMULATE": "1", "LAB_VM_KERNEL": "1", "LAB_VM_BOX": "a/b"}]
)
def test_vagrant_takes_it(tmp_path: Path, variables: dict[str, str]) -> None:
    own = {"VAGRANT_HOME": os.fspath(tmp_path), "VAGRANT_DOTFILE_PATH": os.fspath(tmp_path / "dot")}
    done = subprocess.run(
        ["vagrant", "validate"], cwd=ROOT, env={**os.environ, **own, **variables}, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
