"""An ordinary shell lets a process have 1,024 files open at once; the lab is at home in it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from lab.machine import doctor
from tests.integration.labs import ROOT

pytestmark = pytest.mark.kernel

SOFT = 1024
FILES = 3000
AGENT = """
import sys
from pathlib import Path

read = [path.read_text() == path.name for path in Path(sys.argv[1]).iterdir()]
print(len(read), all(read))
"""


def lower_the_limit() -> None:
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (SOFT, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )


def test_an_agent_reads_more_files_than_may_be_open_at_once(tmp_path: Path) -> None:
    """Hostfs keeps the descriptor of a closed file, as long as the kernel remembers that file."""
    doctor.require("uml")
    many = tmp_path / "many"
    many.mkdir()
    for number in range(FILES):
        (many / str(number)).write_text(str(number))

    own = (sys.executable, "-c", AGENT, os.fspath(many))
    done = subprocess.run(
        [sys.executable, "-m", "lab", "run", "direct", "--engine=uml", "--quiet",
         "--out", os.fspath(tmp_path / "run"), "--", *own],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=lower_the_limit,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, f"{FILES} True\n"), done.stderr
