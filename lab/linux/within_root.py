"""Files of another root file system, such as a container's, whose links never lead out of it (openat2(2))."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Iterator
from pathlib import PurePosixPath

from lab.linux import syscalls

_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10


class OtherRoot:
    """A root file system by its folder's descriptor; paths begin with ``/``. Calls raise OSError as usual."""

    def __init__(self, descriptor: int) -> None:
        self._root = descriptor

    @classmethod
    @contextlib.contextmanager
    def of(cls, folder: str) -> Iterator[OtherRoot]:
        """By the path of its folder, such as ``/proc/1234/root``; it stays usable when the process ends."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield cls(descriptor)
        finally:
            os.close(descriptor)

    def read(self, path: str) -> str | None:
        """The text of a file; None if there is none."""
        try:
            descriptor = self._open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def write(self, path: str, text: str) -> None:
        """Write a file in place, which may be a mount of its own; a new one is readable for all."""
        try:
            descriptor = self._open(path, os.O_WRONLY | os.O_TRUNC)
        except FileNotFoundError:
            descriptor = self._open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.fchmod(descriptor, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)

    def missing_folders(self, path: str) -> list[str]:
        """Which of a folder and those above it are not there, the uppermost first."""
        wanted = [*reversed([path, *map(str, PurePosixPath(path).parents)])]
        return [folder for folder in wanted if not self._is_there(folder)]

    def make_folder(self, path: str) -> None:
        """Make a folder that others may enter, in one that is there."""
        with self._parent(path) as (above, name):
            os.mkdir(name, 0o755, dir_fd=above)

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError), self._parent(path) as (above, name):
            os.unlink(name, dir_fd=above)

    def remove_folder(self, path: str) -> None:
        """Remove a folder, if it is there and nobody has put anything into it."""
        try:
            with self._parent(path) as (above, name):
                os.rmdir(name, dir_fd=above)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise

    def _is_there(self, path: str) -> bool:
        try:
            os.close(self._open(path, os.O_PATH))
        except FileNotFoundError:
            return False
        return True

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        parent, _, name = path.rpartition("/")
        above = self._open(parent or "/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield above, name
        finally:
            os.close(above)

    def _open(self, path: str, flags: int, mode: int = 0) -> int:
        how = struct.pack(
            "=QQQ", flags | os.O_CLOEXEC, mode, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS
        )
        # Relative, so that nothing but a link could ever lead out.
        return syscalls.open_at(self._root, path.lstrip("/") or ".", how)
