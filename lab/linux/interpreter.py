"""A Python for programs of ours that are copied into nodes, where any user may run them."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

SYSTEM_PYTHON = "/usr/bin/python3"


def for_everybody() -> str:
    """A Python that everybody may run: the lab's own may lie in a folder of the lab's user; or nothing."""
    for python in (getattr(sys, "_base_executable", ""), SYSTEM_PYTHON):
        if python and Path(python).exists() and _is_everybodys(Path(python).resolve()):
            return str(python)
    return ""


def _is_everybodys(path: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))
