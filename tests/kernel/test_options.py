"""The kernel that was built holds every option of the list: asked of itself, in the guest."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import kernel
from lab.kernel import options
from lab.machine import doctor, trials

pytestmark = pytest.mark.kernel

# PID 1 in the guest: its standard output is the test's pipe.
INIT = """#!{python} -IS
import sys
sys.path[:0] = {path!r}
from lab.linux import syscalls
syscalls.mount("proc", "/proc", "proc")
print(open("/proc/config.gz", "rb").read().hex())
sys.stdout.flush()
syscalls.power_off()
"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the guest writes from its first program to its end."""
    doctor.require("uml")
    folder = tmp_path_factory.mktemp("guest")
    init = folder / "init"
    repo = Path(kernel.__file__).resolve().parents[2]
    init.write_text(INIT.format(python=os.path.realpath(sys.executable), path=[os.fspath(repo)]))
    init.chmod(0o755)
    argv = [
        str(kernel.status().path), "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
        "con=null", "con0=null,fd:1", "quiet", "mem=256M", "initcall_blacklist=jent_mod_init",
        "panic=-1", f"uml_dir={folder}/", "time-travel=inf-cpu", f"init={init}",
    ]  # fmt: skip
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"TMPDIR": os.fspath(trials.memory_dir()), "HOME": os.fspath(folder)},
    )
    return done.stdout.splitlines()


def test_every_option_is_in_the_running_kernel(console: list[str]) -> None:
    packed = next(line for line in console if line.startswith("1f8b"))
    config = gzip.decompress(bytes.fromhex(packed.strip())).decode()
    found = kernel.status()
    path = found.path
    assert path is not None
    listed = options.LIST.read_text()
    assert options.lost(options.parse(listed), config, found.facts["absent"]) == ()
    assert (path.parent / "config").read_text() == config
