"""``--image`` and what belongs to it, for the verbs that run a command in a node."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lab.errors import UsageError

if TYPE_CHECKING:
    from lab.image.found import FoundImage


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image", default="", metavar="IMAGE|DIR|TAR",
        help="run in a container image: an OCI layout or archive, what `docker save` writes, a root file "
        "system as a folder or a tar, docker:NAME, or docker://NAME by skopeo",
    )  # fmt: skip
    parser.add_argument(
        "--entrypoint", metavar="PROGRAM",
        help="in the place of the image's own; '' for none, so that COMMAND is all",
    )  # fmt: skip
    parser.add_argument(
        "--env", "-e", action="append", default=[], metavar="NAME[=VALUE]",
        help="an environment variable for the command in the image (again for more); without VALUE: yours",
    )  # fmt: skip


@contextlib.contextmanager
def chosen(args: argparse.Namespace) -> Iterator[FoundImage | None]:
    """The image that is asked for; None without ``--image``. Raises as ``found``."""
    if args.image:
        # Only now: most runs have no image.
        from lab.image import cache
        from lab.image.found import found
        from lab.machine import sudo

        with found(args.image) as image:
            sudo.give_back([cache.folder()])
            yield image
        sudo.give_back([cache.folder()])
        return

    if args.entrypoint is not None or args.env:
        option = "--env" if args.env else "--entrypoint"
        raise UsageError(
            f"{option} is for a command in an image, and there is no --image",
            hint="without an image a command has your own environment: NAME=VALUE lab ...",
        )
    yield None


def environment(args: argparse.Namespace) -> dict[str, str]:
    """The variables of ``--env``: as ``docker run`` has it, a name alone stands for the user's own."""
    given = {}
    for word in args.env:
        name, equals, value = word.partition("=")
        if not name:
            raise UsageError(f"--env {word} has no name", hint="--env NAME=VALUE")
        if equals or name in os.environ:
            given[name] = value if equals else os.environ[name]
    return given
