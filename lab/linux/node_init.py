"""Process 1 of a node: a small program of ours (``node-init.c``), compiled once into the user's cache.

A shell does the same where there is no compiler, and takes fourteen times as long for each node.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.linux import process
from lab.paths import cache_dir

SOURCE = Path(__file__).with_name("node-init.c")
_OPTIONS = (
    "-Os", "-s", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables", "-mgeneral-regs-only", "-Wl,-z,noseparate-code",
)  # fmt: skip
"""No libc. The kernel starts a program with a stack that vector instructions would take for crooked."""

_BY_SHELL = (
    "/bin/sh",
    "-c",
    "trap '' CHLD; mount -t proc -o nosuid,nodev,noexec proc /proc || exit 1;"
    " printf '\\0'; exec sleep infinity >/dev/null",
)
COMPILE_S = 60.0


def argv() -> tuple[str, ...]:
    """The command line of process 1: the compiled program if it is there, else a shell's."""
    program = _place()
    return (os.fspath(program),) if os.access(program, os.X_OK) else _BY_SHELL


def build() -> None:
    """Compile the program unless it is there; without a compiler, or without room, the shell serves."""
    program = _place()
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or os.access(program, os.X_OK):
        return
    with contextlib.suppress(OSError, LabError):
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            fresh = Path(folder) / program.name
            process.run([compiler, *_OPTIONS, "-o", fresh, SOURCE], deadline_s=COMPILE_S)
            fresh.replace(program)


def _place() -> Path:
    made_of = repr((SOURCE.read_bytes(), _OPTIONS)).encode()
    return cache_dir() / "programs" / hashlib.sha256(made_of).hexdigest()[:16] / "node-init"
