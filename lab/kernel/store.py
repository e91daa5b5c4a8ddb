"""Which kernels of the lab are in the user's cache, and which of them may be used.

A kernel lies in ``<cache>/kernel/<key>/`` as ``linux``, beside its ``config`` and ``build.json``.
The key stands for everything that it is made of, so a folder never changes once it is there.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import PrerequisiteError
from lab.kernel import options, source
from lab.paths import cache_dir


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
    can_build: bool = True


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
            hint="use `--engine native` as root, or the Vagrant machine (`vagrant up`)",
        )


def status() -> KernelStatus:
    """The kernel of today's recipe, or else the newest with today's option list."""
    try:
        check_machine()
    except PrerequisiteError as error:
        return KernelStatus(None, False, error.message, {}, can_build=False)

    try:
        wanted = recipe()
    except PrerequisiteError as error:
        absent = outdated = error.message
    else:
        absent = "it is not built yet"
        outdated = "built from another source, or by another compiler, than is here now"
        if (facts := _facts(folder() / wanted.key)) is not None:
            kernel = folder() / wanted.key / "linux"
            return KernelStatus(kernel, True, "built, and up to date", facts)

    # An upgrade of the source or the compiler must not stop anybody's work: only options decide
    # what the kernel can do.
    for place, facts in built():
        if facts.get("options") == options_digest():
            return KernelStatus(place / "linux", False, outdated, facts)
    return KernelStatus(None, False, absent, {})


def built() -> list[tuple[Path, dict[str, Any]]]:
    """Every finished kernel and its facts, newest first."""
    places = [(place, _facts(place)) for place in folder().glob("[0-9a-f]*") if place.is_dir()]
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
