"""The distribution packages that the lab needs: ``data/packages.tsv``, and what is there of it.

``tools/setup`` reads the same list. Installing is done by ``data/install-packages``, not here.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_DATA = Path(__file__).with_name("data")
LIST = _DATA / "packages.tsv"
INSTALLER = _DATA / "install-packages"


@dataclass(frozen=True, slots=True)
class Package:
    """One line of the list."""

    name: str
    proofs: tuple[str, ...]
    needed: str
    """``run`` by every lab, ``build`` by the kernel's build, ``look`` by some commands."""
    purpose: str

    def found(self) -> str | None:
        """The file that proves that it is there; an empty file proves nothing."""
        for pattern in self.proofs:
            for path in sorted(Path("/").glob(pattern.lstrip("/"))):
                if path.stat().st_size > 0:
                    return os.fspath(path)
        return None


def packages(text: str | None = None) -> tuple[Package, ...]:
    """The list, in its order."""
    lines = (LIST.read_text() if text is None else text).splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return tuple(
        Package(name, tuple(proofs.split()), needed, purpose)
        for name, proofs, needed, purpose in rows
    )


def install_command(names: Iterable[str]) -> str:
    """The one command that installs these, and leaves no service of theirs enabled or running."""
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    return shlex.join([*sudo, "sh", os.fspath(INSTALLER), *names])
