"""An image as the user names it: looked for, fetched if need be, and made one file that a node unpacks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.errors import UsageError
from lab.image import cache, compression, flat, reference, root
from lab.image.blobs import BlobArchive, BlobFolder, Blobs, open_tar
from lab.image.config import ImageConfig
from lab.image.layers import LayerTree
from lab.image.layout import ImageParts, parts_of
from lab.image.plan import ImagePlan


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that is there, and of which nothing was unpacked yet; of use as long as ``found`` lasts."""

    name: str
    config: ImageConfig
    digest: str
    """Empty where only a look at every file tells what is in it."""
    work: Path
    tree: Callable[[], LayerTree]

    def command(self, given: Sequence[str], entrypoint: str | None = None) -> tuple[str, ...]:
        """What is run, as ``ImageConfig.command``; raises UsageError if nobody says it."""
        words = self.config.command(given, entrypoint)
        if not words:
            raise UsageError(
                f"the image {self.name} does not say what to run", hint="end with: -- COMMAND"
            )
        return words

    def plan(self, given: Mapping[str, str], memory_bytes: int) -> ImagePlan:
        """Make the image one file, if that is not there yet; ``given`` is the user's own environment for it.

        ``memory_bytes`` is what a lab has. Raises UsageError if the image is not whole, PrerequisiteError
        if there is no room for it.
        """
        digest = self.digest
        place = cache.place_of(digest) if digest else self.work / "rootfs.tar"
        if not place.exists():
            made, tree = self.work / "made.tar", self.tree()
            root.check_room(self.name, flat.size_bytes(tree), root.room_bytes(memory_bytes))
            with compression.room_for(self.work), made.open("wb") as target:
                written = flat.write(tree, target)
            made.replace(place)
            digest = digest or written
        root.check_room(self.name, place.stat().st_size, root.room_bytes(memory_bytes))
        return ImagePlan(
            name=self.name,
            digest=digest,
            rootfs=os.fspath(place),
            entrypoint=self.config.entrypoint,
            default=self.config.default,
            env=dict(self.config.env),
            given=dict(given),
            workdir=self.config.workdir,
            user=self.config.user,
        )


@contextlib.contextmanager
def found(name: str) -> Iterator[FoundImage]:
    """The image that a user names by ``--image``; what it takes meanwhile goes at the end.

    Raises UsageError if there is none, if it is broken or not for this machine, and PrerequisiteError
    if a program is missing that fetches it.
    """
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(cache.working())
        path, tag = reference.fetched(name, work)
        look = _in_folder if path.is_dir() else _in_file
        yield look(name, path, tag, work, stack)


def _in_folder(
    name: str, path: Path, tag: str, work: Path, stack: contextlib.ExitStack
) -> FoundImage:
    """An OCI layout, or the files themselves."""
    blobs = BlobFolder(path)
    if (parts := parts_of(blobs, name, tag)) is not None:
        return _layered(name, blobs, parts, work, stack)
    _check_files(name, tag, any(path.iterdir()))
    return FoundImage(name, ImageConfig(), "", work, lambda: flat.tree_of(path))


def _in_file(
    name: str, path: Path, tag: str, work: Path, stack: contextlib.ExitStack
) -> FoundImage:
    """What ``docker save`` writes, an OCI archive, or a tar of the files themselves."""
    file: IO[bytes] = stack.enter_context(path.open("rb"))
    if compression.packed(file.read(8)):
        file.seek(0)
        file = stack.enter_context(compression.expand(file, name, work)[0])
    file.seek(0)
    tar = stack.enter_context(open_tar(file, name))
    blobs = BlobArchive(tar, name)
    if (parts := parts_of(blobs, name, tag)) is not None:
        return _layered(name, blobs, parts, work, stack)

    _check_files(name, tag, blobs.some)
    file.seek(0)
    # A copy: its digest stands for what is unpacked, whatever becomes of the user's file meanwhile.
    copy, digest = compression.expand(file, name, work)
    stack.enter_context(copy)
    return FoundImage(name, ImageConfig(), digest, work, lambda: _tree([copy], name, stack))


def _layered(
    name: str, blobs: Blobs, parts: ImageParts, work: Path, stack: contextlib.ExitStack
) -> FoundImage:
    def tree() -> LayerTree:
        said = parts.config.layers
        files = []
        for number, blob in enumerate(parts.layers, 1):
            what = f"layer {number} of {len(parts.layers)} of the image {name}"
            raw = blobs.open(blob)
            if raw is None:
                raise UsageError(f"{what} is missing: there is no {blob}", hint=compression.AGAIN)
            with raw:
                file, digest = compression.expand(raw, what, work)
            stack.enter_context(file)
            if number <= len(said) and said[number - 1] != digest:
                raise UsageError(
                    f"{what} is not what the image was built with: {digest}, and not {said[number - 1]}",
                    hint=compression.AGAIN,
                )
            files.append(file)
        return _tree(files, name, stack)

    return FoundImage(name, parts.config, parts.digest, work, tree)


def _tree(files: Sequence[IO[bytes]], name: str, stack: contextlib.ExitStack) -> LayerTree:
    tree = LayerTree()
    for number, file in enumerate(files, 1):
        what = f"layer {number} of {len(files)} of the image {name}"
        tree.add_layer(stack.enter_context(open_tar(file, what)), what)
    return tree


def _check_files(name: str, tag: str, some: bool) -> None:
    """A file system has no tags, and is not empty."""
    if tag:
        raise UsageError(
            f"{name.removesuffix(f':{tag}')} is no image, so that it has no image {tag}",
            hint="name an OCI layout or what `docker save` writes, or leave the tag out",
        )
    if not some:
        raise UsageError(f"the image {name} is empty", hint="name a folder or a tar with files")
