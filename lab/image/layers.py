"""The file system that an image's layers make, one over the other (OCI image-spec, layer.md). No effects.

A tree of inodes, of which several names may have one; what a file holds stays where it was read until
somebody opens it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from lab.errors import UsageError
from lab.image.blobs import members_of

WHITEOUT = ".wh."
"""Before a name: the layers below have it, and from this one on it is gone."""
OPAQUE = ".wh..wh..opq"
"""In a folder: of what the layers below have in it nothing is left."""
_XATTR = "SCHILY.xattr."
_MOST_LINKS = 40
"""As the kernel has it (path_resolution(7))."""


@dataclass(eq=False, slots=True, kw_only=True)
class Inode:
    """A file, a folder (which has ``children``), a symbolic link (``target``) or a FIFO."""

    kind: bytes = tarfile.REGTYPE
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    target: str = ""
    xattrs: dict[str, str] = field(default_factory=dict)
    """As a PAX header has them: ``SCHILY.xattr.`` before each name."""
    children: dict[str, Inode] | None = None
    open: Callable[[], IO[bytes] | None] = lambda: None

    @classmethod
    def folder(cls) -> Inode:
        return cls(kind=tarfile.DIRTYPE, children={})


class LayerTree:
    """The file system so far."""

    def __init__(self) -> None:
        self.root = Inode.folder()

    def add_layer(self, layer: tarfile.TarFile, what: str) -> None:
        """Put a layer over the others; ``layer`` must stay open as long as its files may be opened.

        Raises UsageError that begins with ``what`` for a layer that makes no sense, or is not whole.
        """
        members = [(self._parts(each.name, what), each) for each in members_of(layer, what)]
        # A whiteout is about the layers below, wherever it stands in this one.
        for parts, _ in members:
            if parts and parts[-1].startswith(WHITEOUT):
                self._white_out(parts)
        for parts, member in members:
            if not parts or not parts[-1].startswith(WHITEOUT):
                self._add(parts, member, layer, what)

    def paths(self) -> Iterator[tuple[str, Inode]]:
        """Every name with its inode, a folder before what is in it; the root is ``.``."""
        stack = [(".", self.root)]
        while stack:
            path, inode = stack.pop()
            yield path, inode
            below = (inode.children or {}).items()
            prefix = "" if path == "." else f"{path}/"
            stack.extend((f"{prefix}{name}", child) for name, child in reversed(below))

    def add(self, parts: tuple[str, ...], inode: Inode) -> None:
        """Put something at a place, over what is there; folders on the way are made."""
        if not parts:
            inode.children = self.root.children
            self.root = inode
            return
        siblings = self._children(self._folder(parts[:-1]))
        former = siblings.get(parts[-1])
        if former is not None and former.children is not None and inode.children is not None:
            inode.children = former.children
        siblings[parts[-1]] = inode

    def find(self, parts: tuple[str, ...]) -> Inode | None:
        """What has this name; a link in the last place is not followed."""
        if not parts:
            return self.root
        parent = self._walk(parts[:-1], make=False)
        return (parent.children or {}).get(parts[-1]) if parent is not None else None

    def _parts(self, path: str, what: str) -> tuple[str, ...]:
        parts = tuple(part for part in path.split("/") if part not in ("", "."))
        if ".." in parts:
            raise UsageError(
                f"{what} has an entry {path!r}, which leads out of the image",
                hint="do not trust this image; build it again",
            )
        return parts

    def _white_out(self, parts: tuple[str, ...]) -> None:
        *above, name = parts
        folder = self._walk(tuple(above), make=False)
        if folder is None or folder.children is None:
            return
        if name == OPAQUE:
            folder.children.clear()
        else:
            folder.children.pop(name.removeprefix(WHITEOUT), None)

    def _add(
        self, parts: tuple[str, ...], member: tarfile.TarInfo, layer: tarfile.TarFile, what: str
    ) -> None:
        if member.islnk():
            linked = self.find(self._parts(member.linkname, what))
            if linked is None or linked.children is not None:
                raise UsageError(
                    f"{what} links {member.name!r} to {member.linkname!r}, which is not in the image",
                    hint="build the image again",
                )
            self.add(parts, linked)
            return

        inode = Inode(
            mode=member.mode & 0o7777,
            uid=member.uid,
            gid=member.gid,
            mtime=int(member.mtime),
            xattrs={k: v for k, v in member.pax_headers.items() if k.startswith(_XATTR)},
        )
        if member.isdir():
            inode.kind, inode.children = tarfile.DIRTYPE, {}
        elif member.issym():
            inode.kind, inode.target = tarfile.SYMTYPE, member.linkname
        elif member.isfifo():
            inode.kind = tarfile.FIFOTYPE
        elif member.isreg():
            inode.size, inode.open = member.size, lambda: layer.extractfile(member)
        else:
            # A device: a node has a /dev of its own.
            return
        self.add(parts, inode)

    def _folder(self, parts: tuple[str, ...]) -> Inode:
        found = self._walk(parts, make=True)
        assert found is not None, "made"
        return found

    def _walk(self, parts: tuple[str, ...], *, make: bool) -> Inode | None:
        """A folder by name, through symbolic links as inside of the image; None if it is not there."""
        trail = [self.root]
        ahead = list(reversed(parts))
        links = 0
        while ahead:
            part = ahead.pop()
            if part == "..":
                trail = trail[:-1] or trail
                continue
            children = self._children(trail[-1])
            child = children.get(part)
            if child is not None and child.kind == tarfile.SYMTYPE and links < _MOST_LINKS:
                links += 1
                if child.target.startswith("/"):
                    trail = [self.root]
                steps = [step for step in child.target.split("/") if step not in ("", ".")]
                ahead.extend(reversed(steps))
                continue
            if child is None or child.children is None:
                if not make:
                    return None
                child = children[part] = Inode.folder()
            trail.append(child)
        return trail[-1]

    @staticmethod
    def _children(folder: Inode) -> dict[str, Inode]:
        assert folder.children is not None, "a folder"
        return folder.children
