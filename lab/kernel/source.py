"""What the lab's kernel is built from: the distribution's kernel source and the compiler.

Finding and naming them only; unpacking and building is in ``build``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.errors import PrerequisiteError
from lab.paths import cache_dir

FOLDER = Path("/usr/src")
OLDEST = (6, 12)
"""The first one that was tried. Before 6.10 User-Mode Linux does not keep its clock right."""

HINT = "lab setup"
"""It installs both."""

_NAME = re.compile(r"linux-source-(\d+)\.(\d+)\.tar\.(xz|zst|gz|bz2)")


@dataclass(frozen=True, slots=True)
class KernelSource:
    """A packed kernel source of the distribution."""

    path: Path
    version: tuple[int, int]


def find(folder: Path = FOLDER) -> KernelSource:
    """The newest packed kernel source that is new enough."""
    found = [
        KernelSource(path, (int(match[1]), int(match[2])))
        for path in sorted(folder.glob("linux-source-*.tar.*"))
        if (match := _NAME.fullmatch(path.name))
    ]
    fit = [source for source in found if source.version >= OLDEST]
    if fit:
        return max(fit, key=lambda source: source.version)

    wanted = f"{OLDEST[0]}.{OLDEST[1]} or newer"
    seen = f"; {', '.join(source.path.name for source in found)} is too old" if found else ""
    raise PrerequisiteError(f"no kernel source {wanted} in {folder}{seen}", hint=HINT)


def digest(source: KernelSource) -> str:
    """The SHA-256 of the packed source, remembered by its size and time: reading it is slow."""
    memory = cache_dir() / "kernel" / "digests.json"
    stat = source.path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns]
    name = os.fspath(source.path)

    try:
        known = json.loads(memory.read_text())
        if known[name][:2] == stamp:
            return str(known[name][2])
    except (OSError, ValueError, LookupError, TypeError):
        known = {}

    with source.path.open("rb") as file:
        value = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        fresh = memory.with_name(f"{memory.name}.{os.getpid()}")
        fresh.write_text(json.dumps({**known, name: [*stamp, value]}))
        fresh.replace(memory)
    except OSError:
        pass  # It is only faster with it.
    return value


def compiler() -> str:
    """Name and version of the compiler."""
    if (program := shutil.which("gcc")) is None:
        raise PrerequisiteError("no C compiler (gcc)", hint=HINT)
    answer = subprocess.run(
        [program, "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0 or not answer.stdout:
        raise PrerequisiteError(f"{program} does not run: {answer.stderr.strip()}", hint=HINT)
    return answer.stdout.splitlines()[0]
