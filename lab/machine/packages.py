"""The distribution packages that the lab needs: ``data/packages.tsv``, and what is there of it.

Installing is done by ``data/install-packages``; what dpkg says of them is asked in ``machine``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from lab.errors import PrerequisiteError, UsageError
from lab.kernel import source
from lab.names import did_you_mean

_DATA = Path(__file__).parents[1] / "data"
LIST = _DATA / "packages.tsv"
INSTALLER = _DATA / "install-packages"

_KERNEL_SOURCE = "kernel-source"


class Needed(StrEnum):
    """When a package is needed."""

    run = "run"
    """By every lab."""
    look = "look"
    """By hand, in a node; the lab goes without it."""
    build = "build"
    """To build the kernel; not where a kernel is there already."""
    use = "use"
    """By few commands, which ask for it, and by the test suite."""
    checkout = "checkout"
    """By ``tools/setup``, before there is any Python."""


ALWAYS = (Needed.run, Needed.look)
"""What set-up installs on every machine."""


@dataclass(frozen=True, slots=True)
class Package:
    """One line of the list."""

    name: str
    proofs: tuple[str, ...]
    needed: Needed
    purpose: str

    def found(self) -> str | None:
        """The file that proves that it is there; an empty file proves nothing."""
        if self.proofs == (_KERNEL_SOURCE,):
            return _kernel_source()
        for pattern in self.proofs:
            # Most have no wildcard, and pathlib's glob costs a millisecond each.
            paths = [Path(pattern)] if "*" not in pattern else sorted(Path("/").glob(pattern[1:]))
            for path in paths:
                if path.exists() and path.stat().st_size > 0:
                    return os.fspath(path)
        return None

    def dpkg_name(self) -> str:
        """Its name here: a kernel source is called by the version that is installed."""
        if self.proofs == (_KERNEL_SOURCE,) and (path := _kernel_source()) is not None:
            return Path(path).name.partition(".tar.")[0]
        return self.name


@cache
def packages(path: Path = LIST) -> tuple[Package, ...]:
    """The list, in its order."""
    lines = path.read_text().splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return tuple(
        Package(name, tuple(proofs.split()), Needed(needed), purpose)
        for name, proofs, needed, purpose in rows
    )


def chosen(needed: Collection[Needed]) -> tuple[Package, ...]:
    """Those that are needed then."""
    return tuple(package for package in packages() if package.needed in needed)


def named(names: Iterable[str]) -> tuple[Package, ...]:
    """Those with these names; raises UsageError for one that is not in the list."""
    known = {package.name: package for package in packages()}
    if strange := [name for name in names if name not in known]:
        raise UsageError(
            f"{strange[0]} is none of the lab's packages", hint=did_you_mean(strange[0], known)
        )
    return tuple(known[name] for name in names)


def hint_for(program: str) -> str:
    """The command that installs a program; empty if it is there, or none of the list."""
    for package in packages():
        if any(Path(proof).name == program for proof in package.proofs):
            there = package.found() is not None or shutil.which(program) is not None
            return "" if there else install_command([package.name])
    return ""


def require(program: str, purpose: str) -> None:
    """Raise PrerequisiteError with the command that installs it if a program of the list is absent."""
    if hint := hint_for(program):
        raise PrerequisiteError(
            f"{purpose} needs the program {program}, which is not installed", hint=hint
        )


def install_command(names: Iterable[str]) -> str:
    """The one command that installs these, and leaves no service of theirs enabled or running."""
    by_itself = {package.name for package in chosen((*ALWAYS, Needed.build))}
    wanted = list(names)
    return "lab setup" if by_itself.issuperset(wanted) else f"lab setup {' '.join(wanted)}"


def _kernel_source() -> str | None:
    try:
        return os.fspath(source.find().path)
    except PrerequisiteError:
        return None
