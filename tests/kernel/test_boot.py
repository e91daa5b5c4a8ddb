"""The trial that ``lab doctor`` makes: the kernel boots on this machine, and runs a program."""

from __future__ import annotations

import re
import resource
import tempfile
from pathlib import Path

import pytest

from lab import kernel
from lab.engine import trial
from lab.kernel.store import SECCOMP
from lab.machine import doctor

pytestmark = pytest.mark.kernel


def test_the_kernel_boots_and_says_what_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor.require("uml")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = re.fullmatch(
        r"Linux (\S+) came up in \d+\.\d\d s; processes by (\w+); at most (\d+) open files",
        trial.boot(),
    )
    assert found
    facts = kernel.status().facts
    assert found[1].startswith(facts["version"].rpartition(".")[0])
    assert found[2] == ("seccomp" if facts["seccomp"] else "ptrace")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert int(found[3]) == max(1024, min(hard, 1 << 20))
    assert not list(tmp_path.iterdir())

    monkeypatch.setenv(SECCOMP, "off")
    assert "processes by ptrace" in trial.boot()
