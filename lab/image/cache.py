"""The images that were made one file each, by what is in them, in the user's cache; and what works there.

``images/<digest>.tar`` never changes once it is there. A folder ``.part-*`` is of somebody who works, and
holds a lock; ``lab gc`` removes those whose lock nobody holds.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.errors import PrerequisiteError
from lab.linux import lock
from lab.paths import cache_dir

_HIDDEN = ("/run", "/proc", "/sys", "/dev")
"""Where a lab has file systems of its own, so that what the host has there cannot be read in it."""
_FORM = "1"
"""Of the files: another one, where what is written for the same image changes."""


def folder() -> Path:
    """Where images lie; made if need be."""
    place = cache_dir() / "images"
    if any(place.resolve().is_relative_to(hidden) for hidden in _HIDDEN):
        raise PrerequisiteError(
            f"images would lie in {place}, which a lab cannot read",
            hint="name another cache: export XDG_CACHE_HOME=FOLDER",
        )
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(place, error) from error
    return place.resolve()


def place_of(digest: str) -> Path:
    """The file of an image, made or not."""
    return folder() / f"{digest.rpartition(':')[2]}-{_FORM}.tar"


@contextlib.contextmanager
def working() -> Iterator[Path]:
    """A folder for what is needed meanwhile; it goes at the end."""
    try:
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder()))
    except OSError as error:
        raise _unwritable(folder(), error) from error
    hold = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock.take(hold)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(hold)


def left_behind() -> Iterator[Path]:
    """The folders of those who were killed, each of which is removed first."""
    for part in (cache_dir() / "images").glob(".part-*"):
        hold = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if lock.take(hold):
                shutil.rmtree(part)
                yield part
        finally:
            os.close(hold)


def _unwritable(place: Path, error: OSError) -> PrerequisiteError:
    return PrerequisiteError(
        f"the folder for images {place} cannot be written: {error.strerror}",
        hint="name another cache: export XDG_CACHE_HOME=FOLDER",
    )
