"""An ordinary shell lets a process have 1,024 files open at once; the lab is at home in it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from lab.machine import doctor
from tests.integration.labs import ROOT, SYSTEM_PYTHON

pytestmark = pytest.mark.kernel

SOFT = 1024
HARD = 4096
FOLDERS, FILES = 100, 1000
AGENT = """
import os, sys

read = 0
for folder in os.scandir(sys.argv[1]):
    for entry in os.scandir(folder):
        file = os.open(entry, os.O_RDONLY)
        read += os.read(file, 100).decode() == entry.name
        os.close(file)
print(read)
"""


def lower_the_limit() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, HARD))


def test_an_agent_reads_more_files_than_may_be_open_at_once(tmp_path: Path) -> None:
    """One after the other: the last close in the guest lets go of the host's descriptor, too."""
    doctor.require("uml")
    for place in range(FOLDERS):
        folder = tmp_path / "many" / str(place)
        folder.mkdir(parents=True)
        for number in range(FILES):
            (folder / str(number)).write_text(str(number))

    own = (SYSTEM_PYTHON, "-c", AGENT, os.fspath(tmp_path / "many"))
    done = subprocess.run(
        [sys.executable, "-m", "lab", "run", "direct", "--engine=uml", "--quiet",
         "--out", os.fspath(tmp_path / "run"), "--", *own],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=lower_the_limit,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, f"{FOLDERS * FILES}\n"), done.stderr
