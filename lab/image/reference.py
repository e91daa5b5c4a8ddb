"""What a user may write for an image: a file, a folder, ``docker:NAME``, or a reference for skopeo."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from lab.errors import PrerequisiteError, UsageError
from lab.image.transports import DOCKER, SKOPEO
from lab.linux import process

_FETCH_S = 3600.0


def fetched(name: str, work: Path) -> tuple[Path, str]:
    """The file or folder, and the tag that was asked for, if one was; ``work`` takes what is fetched.

    Raises UsageError if there is no such thing, PrerequisiteError if the program is missing that fetches it.
    """
    if (path := Path(name)).exists():
        return path, ""
    if name.startswith(SKOPEO):
        return _by_skopeo(name, work), ""
    if name.startswith(DOCKER):
        return _by_docker(name.removeprefix(DOCKER), work), ""

    # FILE:TAG, where either may have colons of its own.
    for colon in re.finditer(":", name):
        if (path := Path(name[: colon.start()])).exists():
            return path, name[colon.end() :]
    raise UsageError(
        f"there is no image {name}: no such file or folder",
        hint=f"name a folder or a tar; docker:{name} is one of Docker's, docker://{name} a registry's",
    )


def _by_docker(name: str, work: Path) -> Path:
    """What Docker has under a name. No container is made and no network of Docker's is used."""
    saved = work / "saved.tar"
    if shutil.which("docker") is None:
        raise PrerequisiteError(
            f"{DOCKER}{name} is an image of Docker's, and the program docker is not installed",
            hint="name a file or a folder: `docker save -o image.tar NAME` where it is; --image image.tar",
        )
    _fetch(
        ["docker", "save", "--output", saved, "--", name],
        f"{DOCKER}{name}",
        "`docker images` lists what there is",
    )
    return saved


def _by_skopeo(name: str, work: Path) -> Path:
    archive = work / "fetched.tar"
    if shutil.which("skopeo") is None:
        raise PrerequisiteError(
            f"{name} is a reference that skopeo fetches, and skopeo is not installed",
            hint="sudo apt-get install skopeo; or name a file: `docker save -o image.tar NAME` writes one",
        )
    _fetch(
        ["skopeo", "copy", "--quiet", name, f"oci-archive:{archive}"],
        name,
        "try: skopeo inspect NAME",
    )
    return archive


def _fetch(argv: Sequence[str | Path], name: str, hint: str) -> None:
    """Run a program to its end, in the user's own surroundings; what it complains of is told."""
    popen = process.spawn(
        argv, stdout=process.PIPE, stderr=process.PIPE, stdin=process.PIPE, env=os.environ
    )
    ended = process.await_end(popen, _FETCH_S)
    if ended.status:
        said = " ".join(ended.stderr.split()) or process.how_ended(ended.status)
        raise UsageError(f"the image {name} cannot be had: {said}", hint=hint)
