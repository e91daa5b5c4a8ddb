"""Run directories: made fresh, marked as in use while a lab lives, given to the caller of sudo."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from lab.errors import PrerequisiteError, UsageError
from lab.machine import sudo

_HINT = "name another with --out DIR"
ROOM_BYTES = 64 << 20
"""What captures and logs of a run may need."""


def new_run_dir(topology: str, out: Path | None) -> Path:
    """Make a fresh run directory: ``out``, or ``runs/<topology>-<time>`` here.

    Raises UsageError if it cannot be made or written, or is there already with something in it, and
    PrerequisiteError if its disk is full; nothing has been made then.
    """
    path = fresh_dir(topology, out)
    try:
        for name in ("wire", "logs"):
            (path / name).mkdir()
        (path / "keys").mkdir(mode=0o700)
        # Users of the lab other than its owner have to get to what is for them.
        path.chmod(path.stat().st_mode | stat.S_IXOTH)
    except OSError as error:
        raise _unwritable(path, error) from error
    sudo.give_back([path])
    return path


def fresh_dir(name: str, out: Path | None) -> Path:
    """Make an empty directory for results: ``out``, or ``runs/<name>-<time>`` here; the same errors."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = out if out is not None else Path("runs") / f"{name}-{stamp}"
    if out is None:
        number = 2
        while path.exists():
            path = Path("runs") / f"{name}-{stamp}-{number}"
            number += 1

    try:
        _check_name(path.absolute())
        _check_room(path)
        made = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        sudo.give_back(made)
        if any(path.iterdir()):
            raise UsageError(f"the run directory {path} is not empty", hint=_HINT)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path.resolve()


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[int]:
    """Mark a run directory as that of a lab that lives, by a lock, which goes with the last who holds it.

    Afterwards it belongs to whoever called us by sudo.
    """
    hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Where a file system has no locks nobody can tell, and what a killed lab leaves there stays.
        with contextlib.suppress(OSError):
            fcntl.flock(hold, fcntl.LOCK_EX)
        yield hold
    finally:
        os.close(hold)
        sudo.give_back([folder])


@contextlib.contextmanager
def left_behind(folder: Path) -> Iterator[bool]:
    """Whether no lab lives that has this run directory; while the block runs, none begins there."""
    hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(hold)


def _check_name(path: Path) -> None:
    """The path goes to the guest as text, whose first program could not tell what is wrong."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode("ascii", "backslashreplace").decode()
        raise UsageError(
            f"the run directory {shown} has a name that is not UTF-8", hint=_HINT
        ) from None


def _check_room(path: Path) -> None:
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    total, _, free = shutil.disk_usage(there)
    # Without a size it is no disk (/proc), and cannot be written for another reason.
    if total and free < ROOM_BYTES:
        raise PrerequisiteError(
            f"no room for the run directory {path}: {free >> 20} MiB free, {ROOM_BYTES >> 20} needed",
            hint=f"make room there, or {_HINT}",
        )


def _unwritable(path: Path, error: OSError) -> UsageError:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return UsageError(
            f"the run directory {path} cannot be made: a file is in its place", hint=_HINT
        )
    return UsageError(f"the run directory {path} cannot be written: {error.strerror}", hint=_HINT)
