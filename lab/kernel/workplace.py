"""The folder that a build of the kernel works in: half a gigabyte in 70,000 files, for a few minutes.

It lies in the store, under a name of its own. It is gone when a build ends; what an interrupted or
killed build leaves, a process in the background or the next build removes. What is built in it is
known to ``builder``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

PREFIX = ".build-"


@contextlib.contextmanager
def made(store: Path) -> Iterator[Path]:
    """A new folder in the store, which is gone afterwards.

    Removing it can take a minute. Nobody who pressed Ctrl-C waits for that: then a process in the
    background does it.
    """
    folder = Path(tempfile.mkdtemp(dir=store, prefix=PREFIX))
    try:
        try:
            yield folder
        except Exception:  # whatever failed: the disk is given back before it is told
            remove(folder, lambda _: None)
            raise
    except KeyboardInterrupt:
        _remove_in_background(folder)
        raise
    remove(folder, lambda _: None)


def left(store: Path) -> list[Path]:
    """What builds left that did not come to their end; for the holder of the store's lock."""
    return sorted(store.glob(f"{PREFIX}*"))


def remove(folder: Path, told: Callable[[int], None]) -> None:
    """Remove a folder, and tell how many files have gone so far. What is gone already is no error."""
    gone = 0
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(place, name))  # noqa: PTH108, PTH118 - 70,000 of them
        gone += len(files)
        told(gone)
        with contextlib.suppress(OSError):
            os.rmdir(place)  # noqa: PTH106
    # Links to folders, and what was made meanwhile.
    shutil.rmtree(folder, ignore_errors=True)


def _remove_in_background(folder: Path) -> None:
    """Leave it to a process that yields to everything else and outlives us and our terminal."""
    nothing = os.devnull
    with contextlib.suppress(OSError):  # The next build removes it, too.
        os.posix_spawnp(
            "nice",
            ["nice", "-n", "19", "rm", "-rf", "--", os.fspath(folder)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, nothing, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, nothing, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
