"""Which kernels of the lab there are, and which of them may be used.

A kernel lies in ``<place>/<key>/`` as ``linux``, beside its ``config`` and ``build.json``. The key
stands for everything that a kernel is made of, so a folder never changes once it is there. The first
place is the user's cache, where kernels are built; the others are for a whole machine and are only
read. ``LAB_KERNEL`` names one kernel, wherever it lies.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import PrerequisiteError
from lab.kernel import options, source
from lab.paths import cache_dir

NAMED = "LAB_KERNEL"
"""In the environment: the kernel to run, as its file or as the folder that holds it."""

SECCOMP = "LAB_SECCOMP"
"""In the environment: ``off`` has a kernel drive its processes by ptrace, even if it knows seccomp."""

SYSTEM = (Path("/usr/local/lib/callhome-lab/kernel"), Path("/usr/lib/callhome-lab/kernel"))
"""Where an administrator puts kernels for every user of the machine."""

_BUILD = "lab setup"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a kernel is made of."""

    source: source.KernelSource
    digest: str
    options: str
    compiler: str

    @property
    def key(self) -> str:
        parts = (self.source.path.name, self.digest, self.options, self.compiler)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """The kernel to run, if there is one, and why it is that one or none."""

    path: Path | None
    current: bool
    """Whether it is what a build would give today."""
    why: str
    facts: dict[str, Any]
    """What its build wrote down: version, compiler, seconds, options that were lost."""
    hint: str = _BUILD
    """What to do where there is none: a command, or a sentence."""

    @property
    def can_build(self) -> bool:
        """Whether a build would change which kernel is run."""
        return self.hint == _BUILD


def folder() -> Path:
    """Where the kernels lie."""
    return cache_dir() / "kernel"


def recipe() -> Recipe:
    """What a kernel built now would be made of; raises if part of it is missing."""
    check_machine()
    found = source.find()
    return Recipe(found, source.digest(found), options_digest(), source.compiler())


def buildable() -> bool:
    """Whether a kernel could be built with what is here: source and compiler."""
    try:
        recipe()
    except PrerequisiteError:
        return False
    return True


def options_digest() -> str:
    """The option list without its comments, and the patches, as a digest."""
    wanted = sorted(options.parse(options.LIST.read_text()).items())
    patches = [patch.read_text() for patch in options.PATCHES]
    return hashlib.sha256(repr((wanted, patches)).encode()).hexdigest()


def check_machine() -> None:
    """User-Mode Linux as we use it is for one kind of processor."""
    if (machine := platform.machine()) != "x86_64":
        raise PrerequisiteError(
            f"the lab's own kernel runs on x86_64 only, and this is {machine}",
            hint="use `--engine native` as root, on this machine or on a virtual machine of this kind",
        )


def status() -> KernelStatus:
    """The kernel that is named, or that of today's recipe, or else the newest with today's option list."""
    try:
        check_machine()
    except PrerequisiteError as error:
        return KernelStatus(None, False, error.message, {}, hint=error.hint)
    if named := os.environ.get(NAMED):
        return _named(Path(named))

    try:
        wanted = recipe()
    except PrerequisiteError as error:
        absent = outdated = error.message
    else:
        absent = "it is not built yet"
        outdated = "built from another source, or by another compiler, than is here now"
        for place in (folder(), *SYSTEM):
            if (facts := _facts(place / wanted.key)) is not None:
                kernel = place / wanted.key / "linux"
                return KernelStatus(kernel, True, "built, and up to date", facts)

    # An upgrade of the source or the compiler must not stop anybody's work: only options decide
    # what the kernel can do.
    for place, facts in [*built(), *(found for each in SYSTEM for found in built(each))]:
        if facts.get("options") == options_digest():
            return KernelStatus(place / "linux", False, outdated, facts)
    return KernelStatus(None, False, absent, {})


def _named(path: Path) -> KernelStatus:
    kernel = path / "linux" if path.is_dir() else path
    if not os.access(kernel, os.X_OK) or kernel.is_dir():
        return KernelStatus(
            None, False, f"{NAMED} is {path}, and there is no kernel that may be run",
            {}, hint=f"name the file `linux` of a built kernel by {NAMED}, or unset {NAMED}",
        )  # fmt: skip
    facts = _facts(kernel.parent) if kernel.name == "linux" else None
    ours = facts is not None and facts.get("options") == options_digest()
    why = f"named by {NAMED}"
    if facts is not None and not ours:
        why += ", with other options than this version of the lab has"
    facts = facts or {"seccomp": knows_seccomp(kernel)}
    return KernelStatus(kernel.resolve(), ours, why, facts, hint=f"unset {NAMED}")


def by_seccomp(kernel: KernelStatus) -> bool:
    """Whether a kernel is to drive its processes by seccomp, which needs no ptrace."""
    return bool(kernel.facts.get("seccomp")) and os.environ.get(SECCOMP) != "off"


def knows_seccomp(kernel: Path) -> bool:
    """Whether a kernel can drive its processes by seccomp (Linux 6.16 and later), by its own --help."""
    try:
        answer = subprocess.run(
            [kernel, "--help"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError:
        return False  # No program of this machine's: starting it says so.
    return "seccomp=" in answer.stdout


def built(where: Path | None = None) -> list[tuple[Path, dict[str, Any]]]:
    """Every finished kernel of a place (the user's cache) and its facts, newest first."""
    folders = (where or folder()).glob("[0-9a-f]*")
    places = [(place, _facts(place)) for place in folders if place.is_dir()]
    known = [(place, facts) for place, facts in places if facts is not None]
    return sorted(known, key=lambda item: float(item[1].get("finished", 0)), reverse=True)


def _facts(place: Path) -> dict[str, Any] | None:
    kernel = place / "linux"
    try:
        facts = json.loads((place / "build.json").read_text())
        whole = kernel.stat().st_size == facts["size"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return facts if whole else None
