"""Unpacking a stream, whatever packed it: gzip, zstd, bzip2, xz or nothing, by its first bytes."""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import hashlib
import io
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from lab.errors import PrerequisiteError, UsageError
from lab.linux import process

AGAIN = "save, build or fetch it again"
_CHUNK = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
_OPENERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_DEFECTS = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
_MOST_MAGIC = 6


def packed(first: bytes) -> bool:
    """Whether a stream that begins so is compressed."""
    return first.startswith((_ZSTD, *_OPENERS))


def expand(raw: IO[bytes], what: str, scratch: Path) -> tuple[IO[bytes], str]:
    """All of a stream as a file without a name, at its beginning, and ``sha256:`` of what is in it.

    Raises UsageError that begins with ``what`` if the stream is not whole.
    """
    target = cast(IO[bytes], tempfile.TemporaryFile(dir=scratch))  # noqa: SIM115
    try:
        digest = hashlib.sha256()
        with room_for(scratch):
            for chunk in _chunks(raw, what, scratch):
                digest.update(chunk)
                target.write(chunk)
            target.seek(0)
    except BaseException:  # Also Ctrl-C: nobody else knows of the file.
        target.close()
        raise
    return target, f"sha256:{digest.hexdigest()}"


@contextlib.contextmanager
def room_for(folder: Path) -> Iterator[None]:
    """Say it in words where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise PrerequisiteError(
            f"no room for the image in {folder}: {error.strerror}",
            hint="make room there, or name another cache: export XDG_CACHE_HOME=FOLDER",
        ) from error


def _chunks(raw: IO[bytes], what: str, scratch: Path) -> Iterator[bytes]:
    first = raw.read(_MOST_MAGIC)
    whole = io.BufferedReader(_Again(first, raw), _CHUNK)
    if first.startswith(_ZSTD):
        with _by_zstd(whole, what, scratch) as unpacked:
            yield from iter(lambda: unpacked.read(_CHUNK), b"")
        return

    opener = next((o for magic, o in _OPENERS.items() if first.startswith(magic)), None)
    stream = opener(whole) if opener else whole
    try:
        yield from iter(lambda: stream.read(_CHUNK), b"")
    except (*_DEFECTS, OSError) as error:
        # bz2 says so by an OSError without a number; one with a number is the disk's.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UsageError(f"{what} is not whole: {error}", hint=AGAIN) from error


class _Again(io.RawIOBase):
    """A stream whose first bytes were read already, from its beginning."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._first[: len(buffer)] or self._rest.read(len(buffer))
        self._first = self._first[len(data) :] if self._first else b""
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def _by_zstd(raw: IO[bytes], what: str, scratch: Path) -> Iterator[IO[bytes]]:
    """By the program zstd, as Python knows zstd from 3.14 on only."""
    with tempfile.TemporaryFile(dir=scratch) as source, tempfile.TemporaryFile(dir=scratch) as out:
        for chunk in iter(lambda: raw.read(_CHUNK), b""):
            source.write(chunk)
        source.seek(0)
        try:
            popen = process.spawn(
                ["zstd", "-dcq"], stdin=source, stdout=out, stderr=process.PIPE, cwd=scratch
            )
        except PrerequisiteError as error:
            raise PrerequisiteError(
                f"{what} is packed by zstd, and the program zstd is not installed",
                hint="sudo apt-get install zstd",
            ) from error
        said = popen.communicate()[1].decode(errors="replace").strip()
        if popen.returncode:
            raise UsageError(f"{what} is not whole: {said}", hint=AGAIN)
        out.seek(0)
        yield out
