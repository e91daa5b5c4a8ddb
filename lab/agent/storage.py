"""The files of the agent's state folder: written whole or not at all, whatever ends the program.

A file is written beside its place, forced to the disk (fsync(2)) and renamed; a folder is forced, too, so
that a name is there once a function has returned. Nothing is known here of what the files mean.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.errors import PrerequisiteError

PRIVATE = 0o600
"""Of files with passwords; the others have it as well: they are the machine's own."""
_NEW = ".new-"
"""How the name begins of a file that is not finished."""


class StorageError(PrerequisiteError):
    """The state folder takes no more: no room, no right, no such disk."""


def cannot_write(path: Path, error: OSError) -> StorageError:
    """What people are told: the file, the reason, the fix."""
    return StorageError(
        f"the agent cannot write {path}: {error.strerror or error}",
        hint=f"make room in {path.parent}, or give the agent the right to write there; "
        "what is queued is kept, and is sent",
    )


def make_folder(path: Path) -> None:
    """Make a folder, for the agent's user alone; raises StorageError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def has(path: Path, digest: str) -> bool:
    """Whether a file is there and has a SHA-256, in hexadecimal digits."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in its place, or leave the former one there; raises StorageError."""
    beside = path.with_name(f"{_NEW}{os.getpid()}-{path.name}")
    try:
        try:
            _write(beside, content)
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_json(path: Path, members: object) -> None:
    """As ``write_whole``."""
    write_whole(path, (json.dumps(members, indent=1, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> Any:
    """What a file holds; None if there is none, or if it is damaged: then it is moved aside.

    A damaged file can only come from outside: the agent's own are whole or not there.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        with contextlib.suppress(OSError):
            path.replace(path.with_name(f"{path.name}.damaged"))
        return None


def remove(path: Path) -> None:
    """Remove a file for good; nothing if it has gone already."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Force a folder's names to the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sweep(folder: Path, name: str = "") -> None:
    """Remove what a program that was killed left unfinished, of one file or of all; only the holder of the
    file's or the folder's lock may."""
    for beside in folder.glob(f"{_NEW}*{name}"):
        beside.unlink(missing_ok=True)


def sweep_dead(folder: Path) -> None:
    """Remove what programs left unfinished that do not run any more, in a folder and below."""
    for beside in folder.rglob(f"{_NEW}*"):
        number = beside.name.removeprefix(_NEW).partition("-")[0]
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            beside.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock file (flock(2)); yields whether it is ours: without ``wait`` somebody else may have it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(file)


def _write(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)
