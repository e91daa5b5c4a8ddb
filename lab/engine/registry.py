"""Which labs are up: one small file each, held by a lock as long as the lab lives.

The files are in the user's runtime directory (``runtime_dirs``): the cache may be read-only. A
file whose lock is free belongs to a supervisor that was killed; whoever looks removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lab.engine import native
from lab.errors import PrerequisiteError, UsageError
from lab.linux.lock import take
from lab.paths import cache_dir

_LABS = "labs"

SOCKET_NAME = "control.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A lab that is up."""

    name: str
    """The topology's name, with ``-2`` and so on if it is up several times."""
    topology: str
    run_dir: str
    engine: str
    clock: str
    pid: int
    """The supervisor."""
    started: float
    memory: int = 0
    """What was asked for the lab's own kernel, in bytes; 0: what it has by default."""


def runtime_dirs() -> tuple[Path, ...]:
    """Where a user's labs that are up may be noted, the best place first; not made yet perhaps.

    ``$XDG_RUNTIME_DIR`` (XDG Base Directory), or the usual place of it, as cron and su do not set the
    variable; the cache; a folder of the user's own in /tmp, where the home cannot be written.
    """
    uid = os.geteuid()
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}")
    folders = [base / "callhome-lab"] if base.is_dir() else []
    return tuple(dict.fromkeys([*folders, cache_dir(), Path(f"/tmp/callhome-lab-{uid}")]))


def runtime_dir(name: str) -> Path:
    """A folder of this name in the first of these places that can be written; made if it is not there.

    Raises PrerequisiteError that says why of each.
    """
    reasons = []
    for base in runtime_dirs():
        folder = base / name
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            if base.stat().st_uid != os.geteuid():
                reasons.append(f"{base}: belongs to another user")
                continue
            folder.mkdir(exist_ok=True)
            # What root may do, a read-only file system may still refuse.
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
            reasons.append(f"{folder}: cannot be written")
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror}")
    raise PrerequisiteError(
        f"no folder to note in which labs are up ({'; '.join(reasons)})",
        hint="name one that you may write: export XDG_RUNTIME_DIR=FOLDER",
    )


@contextlib.contextmanager
def registered(entry: Entry) -> Iterator[Entry]:
    """Hold an entry while the block runs, under a name that is free."""
    folder = runtime_dir(_LABS)
    elsewhere = {each.name for each in entries()}
    with _alone(folder):
        fd, name = _claim_name(folder, entry.topology, elsewhere)
        named = replace(entry, name=name)
        os.ftruncate(fd, 0)
        os.write(fd, json.dumps(asdict(named)).encode())

    try:
        yield named
    finally:
        (folder / f"{name}.json").unlink(missing_ok=True)
        os.close(fd)


def _claim_name(folder: Path, topology: str, elsewhere: Collection[str]) -> tuple[int, str]:
    number = 1
    while True:
        name = topology if number == 1 else f"{topology}-{number}"
        if name not in elsewhere:
            fd = os.open(folder / f"{name}.json", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if take(fd):
                return fd, name
            os.close(fd)
        number += 1


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from taking an entry that is just being made for one that was left behind."""
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def entries() -> tuple[Entry, ...]:
    """Every lab of this user that is up, the oldest first."""
    found = [entry for entry, lives in _look() if lives]
    return tuple(sorted(found, key=lambda entry: entry.started))


def left_behind() -> tuple[Entry, ...]:
    """What supervisors left that were killed; the entries are gone when this returns."""
    return tuple(entry for entry, lives in _look() if not lives)


def _folders() -> Iterator[Path]:
    """Where entries may be: a lab may have been started with another environment than ours."""
    for base in runtime_dirs():
        folder = base / _LABS
        if os.access(folder, os.W_OK | os.X_OK) and folder.stat().st_uid == os.geteuid():
            yield folder


def _look() -> Iterator[tuple[Entry, bool]]:
    """Every entry, and whether its lab lives; those that do not are removed."""
    for folder in _folders():
        yield from _look_in(folder)


def _look_in(folder: Path) -> Iterator[tuple[Entry, bool]]:
    with _alone(folder):
        for path in folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
                lives = not take(file)
                if not lives:
                    path.unlink()
                if (entry := _entry(file.read())) is not None:
                    yield entry, lives


def _entry(text: bytes) -> Entry | None:
    """None for what a killed supervisor did not finish, or one of another version wrote."""
    try:
        return Entry(**json.loads(text))
    except (ValueError, TypeError):
        return None


def find(name: str) -> Entry:
    """The lab of that name, or the only one; raises UsageError that says which there are."""
    up = entries()
    if name:
        for entry in up:
            if entry.name == name:
                return entry
    elif len(up) == 1:
        return up[0]

    names = ", ".join(entry.name for entry in up)
    if not up:
        hint = "sudo lab status shows those of root" if native.of_root() else "lab up TOPOLOGY"
        raise UsageError("no lab is up", hint=hint)
    if name:
        raise UsageError(f"no lab {name!r} is up", hint=f"up: {names}")
    raise UsageError(f"several labs are up: {names}", hint="choose one with --lab NAME")


def connect(entry: Entry) -> socket.socket:
    """A connection to a lab's supervisor."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_path(entry.run_dir) as path:
            connection.connect(path)
    except OSError as error:
        raise UsageError(
            f"the lab {entry.name} does not answer: {error.strerror}", hint="lab status"
        ) from error
    return connection


def listen(run_dir: Path) -> socket.socket:
    """The supervisor's socket, for its user only."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)
    try:
        with _short_path(run_dir) as path:
            listener.bind(path)
    finally:
        os.umask(umask)
    listener.listen(16)
    return listener


@contextlib.contextmanager
def _short_path(run_dir: str | Path) -> Iterator[str]:
    """The socket's path by way of its folder's descriptor: a path may have 107 bytes only (unix(7))."""
    folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)


def wait_gone(entry: Entry) -> None:
    """Return when the supervisor of a lab has ended, by waiting for its lock."""
    for folder in _folders():
        with (
            contextlib.suppress(FileNotFoundError),
            (folder / f"{entry.name}.json").open("r+b") as file,
        ):
            fcntl.flock(file, fcntl.LOCK_EX)
