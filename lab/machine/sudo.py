"""Who called, where the command runs as root by sudo: what is made belongs to that user afterwards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def caller() -> tuple[int, int] | None:
    """User and group of whoever called sudo; None where nobody did."""
    try:
        user, group = int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"])
    except (LookupError, ValueError):
        return None
    return (user, group) if os.geteuid() == 0 and user != 0 else None


def give_back(paths: Iterable[Path]) -> None:
    """Give what is root's in these files and folders to the caller of sudo, if there is one.

    Symbolic links are not followed. What a command inside made for another user stays with that user.
    """
    if (ids := caller()) is None:
        return
    for path in paths:
        _give(path, ids)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                _give(Path(folder, name), ids)


def _give(path: Path, ids: tuple[int, int]) -> None:
    # It may be gone by now, or lie on a file system that knows no owners.
    with contextlib.suppress(OSError):
        if path.lstat().st_uid == 0:
            os.chown(path, *ids, follow_symlinks=False)
