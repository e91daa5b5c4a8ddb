"""What is decided about an image: plain data, which goes from the host into the lab as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab import codec
from lab.errors import UsageError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for in an image that names no PATH, as a container engine has it."""
PLAN = "LAB_IMAGE_PLAN"
"""In the environment of the program that enters an image; not on its command line, which anybody may read."""
_PASSED = ("TERM", "COLUMNS", "LINES", "LAB_INSIDE", "LAB_ID")
"""What a command in an image gets of the environment around it: the terminal's kind, and whose lab it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """An image that is ready to be unpacked in a node."""

    name: str
    """As the user named it."""
    digest: str
    """``sha256:`` and 64 digits: the image's ID, or what its file or folder holds."""
    rootfs: str
    """The file that holds all of its layers as one (tar)."""
    entrypoint: tuple[str, ...]
    default: tuple[str, ...]
    """What follows the entrypoint where nobody says anything else."""
    env: dict[str, str]
    """What the image says."""
    given: dict[str, str]
    """What the user says."""
    told: dict[str, str] = field(default_factory=dict)
    """What the lab tells the command."""
    workdir: str
    user: str
    """As USER in a Dockerfile: a name or a number, perhaps with ``:`` and a group; empty: root."""

    @property
    def key(self) -> str:
        """The image's folder in a node."""
        return self.digest.rpartition(":")[2][:16]

    def command(self, given: Sequence[str]) -> tuple[str, ...]:
        """What is run, by the rules of ``docker run``; raises UsageError if nobody says it."""
        words = (*self.entrypoint, *(given or self.default))
        if not words:
            raise UsageError(
                f"the image {self.name} does not say what to run", hint="give a command"
            )
        return words

    def argv(self, run_dir: str, command: Sequence[str]) -> list[str]:
        """The command line that unpacks the image in its own node, and runs a command there."""
        from lab.image import enter

        # By the distribution's bare interpreter, as the guest's first program.
        python = [os.path.realpath(sys.executable), "-I", "-S"]
        program = os.fspath(Path(enter.__file__).resolve())
        return [*python, program, run_dir, *command]

    def environment(self, told: Mapping[str, str]) -> dict[str, str]:
        """What ``argv`` is started with, whatever else is in the environment; ``told``: by the lab."""
        return {PLAN: codec.dump(replace(self, told=dict(told)), indent=None)}

    def command_environment(
        self, around: Mapping[str, str], home: str, node: str
    ) -> dict[str, str]:
        """What the command in the image sees: of the user's own environment only what ``--env`` names."""
        passed = {name: around[name] for name in _PASSED if name in around}
        default = {"PATH": PATH, "HOME": home, "HOSTNAME": node}
        return {**default, **passed, **self.env, **self.told, **self.given}
