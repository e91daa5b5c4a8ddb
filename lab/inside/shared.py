"""The folder of a run directory in which every user of the lab may write, whoever started the lab.

hostfs gives each new file to whoever started the lab, so that another user could write it once and never
again. In the guest the folder is a memory file system, where a file belongs to its writer, and what is in
it goes to the run directory when the lab goes down.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from lab.errors import PrerequisiteError
from lab.linux import syscalls

FOLDER = "shared"
"""``LAB_SHARED_DIR`` in a run directory."""
_MODE = 0o1777


@contextlib.contextmanager
def start(run_dir: Path) -> Iterator[None]:
    """Before any node is made: what is mounted later, nodes do not see."""
    place = run_dir / FOLDER
    place.mkdir(exist_ok=True)
    place.chmod(_MODE)
    if os.environ.get("LAB_INSIDE") != "uml":
        yield
        return
    kept = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("tmpfs", os.fspath(place), "tmpfs", flags, f"mode={_MODE:o},size=50%")
        try:
            yield
        finally:
            try:
                _take_along(place, Path(f"/proc/self/fd/{kept}"))
            finally:
                syscalls.unmount(os.fspath(place))
    finally:
        os.close(kept)


def _take_along(place: Path, target: Path) -> None:
    """Copy files, folders and links; what is none of these ends with the lab."""

    def no_files(folder: str, names: list[str]) -> list[str]:
        modes = {name: Path(folder, name).lstat().st_mode for name in names}
        kinds = stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK
        return [name for name, mode in modes.items() if not any(is_kind(mode) for is_kind in kinds)]

    if not any(place.iterdir()):
        return
    try:
        shutil.copytree(place, target, symlinks=True, ignore=no_files, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise PrerequisiteError(
            f"what was written to {place} cannot be kept: {error}", hint="make room on its disk"
        ) from error
