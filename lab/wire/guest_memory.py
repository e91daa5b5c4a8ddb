"""The guest's memory, which is a file of the host's: where in it something lies, and the way to it.

User-Mode Linux keeps all that the guest takes for physical memory in one file without a name. Inside,
/proc/self/pagemap tells the number of each page's frame (Linux mm/pagemap); outside, that times the size
of a page is the place in the file. Both sides are here, and what one tells the other: ``Extent``.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from lab.errors import KernelError, LabBroke, PrerequisiteError
from lab.linux import syscalls

PAGE_BYTES = 4096

_ENTRY_BYTES = 8
_PRESENT = 1 << 63
_FRAME_MASK = (1 << 55) - 1
_EXTENT = struct.Struct("=QI")


class Extent(NamedTuple):
    """A piece of the memory: where it begins and how long it is, in bytes."""

    offset: int
    length: int


def encode(extents: Iterable[Extent]) -> bytes:
    """Extents as bytes, one after the other."""
    return b"".join(_EXTENT.pack(*extent) for extent in extents)


def decode(data: bytes) -> list[Extent]:
    """What ``encode`` made; nothing if it has not the right length."""
    if len(data) % _EXTENT.size:
        return []
    return [Extent(*fields) for fields in _EXTENT.iter_unpack(data)]


# Inside.


def pages_of(memory: mmap.mmap) -> tuple[int, ...]:
    """The offset of each page of a mapping that does not move, as a packet ring's; root only."""
    count = len(memory) // PAGE_BYTES
    first = syscalls.address_of(memory) // PAGE_BYTES
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        entries = os.pread(pagemap.fileno(), count * _ENTRY_BYTES, first * _ENTRY_BYTES)

    frames = [
        entry & _FRAME_MASK if entry & _PRESENT else 0
        for (entry,) in struct.iter_unpack("=Q", entries)
    ]
    if len(frames) != count or not all(frames):
        raise KernelError(
            "find the pages of", "the captures' ring", "/proc/self/pagemap hides them"
        )
    return tuple(frame * PAGE_BYTES for frame in frames)


def extents(pages: Sequence[int], start: int, length: int) -> list[Extent]:
    """Where so many bytes of a mapping lie, from the beginning of one of its pages on."""
    found: list[Extent] = []
    for page in pages[start // PAGE_BYTES : -(-(start + length) // PAGE_BYTES)]:
        piece = min(PAGE_BYTES, length)
        length -= piece
        if found and page == found[-1].offset + found[-1].length:
            found[-1] = Extent(found[-1].offset, found[-1].length + piece)
        else:
            found.append(Extent(page, piece))
    return found


# Outside.


def open_of(pid: int) -> mmap.mmap:
    """The memory of the guest whose kernel is this process of ours; raises LabError if it is hidden.

    It is by far the largest file without a name that the process has open.
    """
    folder = Path(f"/proc/{pid}/fd")
    try:
        sizes = {path: size for path in folder.iterdir() if (size := _unnamed_bytes(path))}
        largest = max(sizes, key=sizes.__getitem__, default=None)
        if largest is None:
            raise LabBroke(f"the guest's memory is not among the files of its process ({folder})")
        descriptor = os.open(largest, os.O_RDWR | os.O_CLOEXEC)
        try:
            return mmap.mmap(descriptor, sizes[largest])
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PrerequisiteError(
            f"the guest's memory cannot be opened: {error.filename}: {error.strerror}",
            hint="a security module may forbid a process to look at its own child",
        ) from error


def _unnamed_bytes(path: Path) -> int:
    """The size of a descriptor's file, if that is one without a name."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0  # The guest reads files of the host: it has closed this one since we listed it.
    return found.st_size if stat.S_ISREG(found.st_mode) and not found.st_nlink else 0
