"""The parts of an image by name, in a folder or in a tar. What they mean is not known here."""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, cast

from lab.errors import UsageError
from lab.image import compression


class Blobs(Protocol):
    """Where an image's parts are."""

    def open(self, name: str) -> IO[bytes] | None:
        """A part, to be read; None if it is not there."""


class BlobFolder:
    """The parts are files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str) -> IO[bytes] | None:
        path = self._folder / name
        if not path.resolve().is_relative_to(self._folder.resolve()) or not path.is_file():
            return None
        return path.open("rb")


class BlobArchive:
    """The parts are members of a tar."""

    def __init__(self, tar: tarfile.TarFile, what: str) -> None:
        self._tar = tar
        self._members = {member.name.removeprefix("./"): member for member in members_of(tar, what)}

    @property
    def some(self) -> bool:
        """Whether there is anything in it."""
        return bool(self._members)

    def open(self, name: str) -> IO[bytes] | None:
        member = self._members.get(name)
        if member is None:
            return None
        try:
            # Also through a link: older engines save a layer that two images have but once.
            return self._tar.extractfile(member)
        except KeyError:
            return None


@contextlib.contextmanager
def open_tar(file: IO[bytes], what: str) -> Iterator[tarfile.TarFile]:
    """A tar in a file that can be sought in; raises UsageError that begins with ``what`` if it is none."""
    with contextlib.ExitStack() as stack:
        try:
            tar = stack.enter_context(tarfile.open(fileobj=file, mode="r:"))
        except (tarfile.TarError, EOFError) as error:
            raise _not_whole(what, error) from error
        yield tar


def members_of(tar: tarfile.TarFile, what: str) -> list[tarfile.TarInfo]:
    """All members; raises UsageError that begins with ``what`` unless the tar is whole.

    Python's reader takes a header that it does not understand, and a missing end, for the end.
    """
    try:
        members = list(tar)
    except (tarfile.TarError, EOFError) as error:
        raise _not_whole(what, error) from error
    file = cast("IO[bytes]", tar.fileobj)
    file.seek(tar.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise _not_whole(what, f"it breaks off after {members[-1].name if members else 'nothing'}")
    return members


def _not_whole(what: str, error: Exception | str) -> UsageError:
    return UsageError(f"{what} is not a whole tar: {error}", hint=compression.AGAIN)
