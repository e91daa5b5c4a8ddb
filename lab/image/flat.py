"""All of an image as one tar, which a node unpacks; and a folder of files as a tree, to be written so."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import tarfile
from pathlib import Path
from typing import IO, Any, cast

from lab.errors import UsageError
from lab.image.layers import Inode, LayerTree

_CAPABILITIES = "security.capability"
_NOT_TAKEN = ("dev", "proc", "sys")
"""What is in these folders belongs to a machine that runs, and not to an image."""
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


def write(tree: LayerTree, target: IO[bytes]) -> str:
    """Write a tree as a tar (PAX); ``sha256:`` of what was written. The same tree gives the same bytes."""
    summed = cast(Any, _Summing(target))
    first: dict[int, str] = {}
    with tarfile.open(fileobj=summed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path, inode in tree.paths():
            info = tarfile.TarInfo(path)
            info.mode, info.uid, info.gid, info.mtime = (
                inode.mode,
                inode.uid,
                inode.gid,
                inode.mtime,
            )
            info.type, info.linkname, info.pax_headers = inode.kind, inode.target, inode.xattrs
            if inode.kind != tarfile.REGTYPE:
                tar.addfile(info)
            elif (former := first.setdefault(id(inode), path)) != path:
                info.type, info.linkname = tarfile.LNKTYPE, former
                tar.addfile(info)
            else:
                info.size = inode.size
                with inode.open() or contextlib.nullcontext() as data:
                    tar.addfile(info, data)
    return f"sha256:{summed.digest.hexdigest()}"


def size_bytes(tree: LayerTree) -> int:
    """What is in all files of a tree, each counted once."""
    return sum(inode.size for inode in {id(inode): inode for _, inode in tree.paths()}.values())


def tree_of(folder: Path) -> LayerTree:
    """The files below a folder of this machine, as they are now; those that are yours are root's there.

    Raises UsageError for one that may not be read.
    """
    tree = LayerTree()
    known: dict[tuple[int, int], Inode] = {}
    for here, folders, files in os.walk(folder, onerror=_unreadable):
        relative = Path(here).relative_to(folder)
        tree.add(relative.parts, _inode(Path(here)))
        if relative.parts[:1] and relative.parts[0] in _NOT_TAKEN and len(relative.parts) == 1:
            folders.clear()
            continue
        folders.sort()
        for name in sorted([*files, *(f for f in folders if Path(here, f).is_symlink())]):
            path = Path(here, name)
            told = path.lstat()
            if stat.S_IFMT(told.st_mode) not in _KINDS:
                continue
            inode = known.setdefault((told.st_dev, told.st_ino), _inode(path))
            tree.add((*relative.parts, name), inode)
    return tree


def _inode(path: Path) -> Inode:
    told = path.lstat()
    owner = os.geteuid()
    inode = Inode(
        mode=stat.S_IMODE(told.st_mode),
        uid=0 if told.st_uid == owner else told.st_uid,
        gid=0 if told.st_uid == owner and owner else told.st_gid,
        mtime=int(told.st_mtime),
    )
    if stat.S_ISDIR(told.st_mode):
        inode.kind, inode.children = tarfile.DIRTYPE, {}
        return inode
    inode.kind = _KINDS[stat.S_IFMT(told.st_mode)]
    if stat.S_ISLNK(told.st_mode):
        inode.target = os.fspath(path.readlink())
    elif stat.S_ISREG(told.st_mode):
        inode.size, inode.open = told.st_size, functools.partial(_open, path)
        inode.xattrs = _capabilities(path)
    return inode


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        _unreadable(error)
        raise


def _unreadable(error: OSError) -> None:
    raise UsageError(
        f"{error.filename}, of the image, cannot be read: {error.strerror}",
        hint="let its owner pack the folder: sudo tar -C FOLDER -cf rootfs.tar . ; --image rootfs.tar",
    ) from error


def _capabilities(path: Path) -> dict[str, str]:
    """A program's file capabilities (capabilities(7)), as a PAX header has them."""
    try:
        value = os.getxattr(path, _CAPABILITIES)
    except OSError:
        return {}
    return {f"SCHILY.xattr.{_CAPABILITIES}": value.decode("utf-8", "surrogateescape")}


class _Summing:
    """A file that is written only, with the digest of what was written."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._target.write(data)
