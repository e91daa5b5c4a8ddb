"""Removing what killed labs left behind, and nothing of a lab that lives.

With either engine, processes, namespaces, wires and rules end with their lab, also when it is killed
(``engine.native``, ``engine.uml``). What remains is what was changed in a container that was a node
(``container.attached``), and files: the entry among the labs that are up, the socket
of the supervisor, the folder of the guest's kernel, captures that were not made into files yet, the folder
of a kernel that was being built, or of an image that was being made one file. A lab that lives holds a lock;
files without a holder were left behind.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.container import attached
from lab.engine import registry
from lab.engine.inside import MODEL_FILE
from lab.engine.run_dir import left_behind
from lab.errors import LabError, PrerequisiteError, UsageError
from lab.image import cache
from lab.kernel import store
from lab.linux.lock import take
from lab.machine import sudo
from lab.wire import pcapng

SESSION = "session.json"
_DEPTH = 3
"""Run directories are looked for so deep: ``runs/pytest-<time>/1-vpn-nat``."""


def collect(folders: Iterable[Path]) -> Iterator[str]:
    """Remove it all, and tell each thing; run directories are looked for in ``folders``."""
    killed = registry.left_behind()
    for entry in killed:
        yield f"the entry of {entry.name}, whose supervisor was killed"
    named = [Path(entry.run_dir) for entry in killed if Path(entry.run_dir).is_dir()]
    found = dict.fromkeys(run.resolve() for run in (*named, *_run_dirs(folders)))
    for run_dir in found:
        yield from _tidy(run_dir)
    yield from _builds(store.folder())
    for part in cache.left_behind():
        yield f"{part}, of an image that was being unpacked"


def _run_dirs(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"there is no folder {folder}", hint="name a folder with run directories"
            )
        for path, names, _ in os.walk(folder):
            here = Path(path)
            if (here / MODEL_FILE).exists() or (here / SESSION).exists():
                yield here
            names[:] = [name for name in names if not name.startswith(".")]
            if len(here.relative_to(folder).parts) >= _DEPTH:
                names.clear()


def _tidy(run_dir: Path) -> Iterator[str]:
    """One run directory, if no lab lives there."""
    try:
        with left_behind(run_dir) as free:
            if free:
                yield from _leftovers(run_dir)
                sudo.give_back([run_dir])
    except PermissionError as error:
        raise PrerequisiteError(
            f"what a killed lab left in {run_dir} belongs to another user: {error.strerror}",
            hint="as root: sudo lab gc",
        ) from error


def _leftovers(run_dir: Path) -> Iterator[str]:
    yield from attached.put_back(run_dir)
    socket = run_dir / registry.SOCKET_NAME
    if socket.exists() and stat.S_ISSOCK(socket.lstat().st_mode):
        socket.unlink()
        yield f"{socket}, which nobody serves"
    for folder in run_dir.glob(".uml-*"):
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
            yield f"{folder}, of the guest's kernel"
    for part in (run_dir / "wire").glob("*.pcapng.part"):
        part.unlink()
        yield f"{part}, which was never finished"
    spool = run_dir / "wire" / pcapng.SPOOL
    if spool.exists():
        try:
            pcapng.convert_once(spool)
            yield f"{spool}: its packets are in {spool.parent} now, a file a wire"
        except (LabError, struct.error, ValueError):
            # It was killed before it had captured anything.
            spool.unlink()
            yield f"{spool}, with nothing in it"


def _builds(folder: Path) -> Iterator[str]:
    """The folders of builds that were killed: a build that runs holds the lock."""
    leftovers = [*folder.glob(".build-*")]
    if not leftovers:
        return
    with (folder / "lock").open("a") as lock:
        if not take(lock):
            return
        for build in leftovers:
            shutil.rmtree(build)
            yield f"{build}, of a build of the kernel"
