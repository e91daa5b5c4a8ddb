"""A program of the user's own on a node, in the place of the lab's: a part of the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

MOST_SHOWN = 20
"""Characters of a command in pictures, where a tunnel is drawn beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnProgram:
    """What a node runs in the place of the lab's daemons for the node's role."""

    node: str
    argv: tuple[str, ...]
    """As the topology has it; a program with a slash in its name by its whole path."""
    folder: str
    """In which it is started: the topology's own, so that relative arguments are files beside it."""

    @property
    def name(self) -> str:
        """Without the folder."""
        return PurePosixPath(self.argv[0]).name

    @property
    def words(self) -> str:
        """The command for people, without the folder, on one line and not too long for a picture."""
        line = " ".join(" ".join([self.name, *self.argv[1:]]).split())
        return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 3]}..."


def find(programs: tuple[OwnProgram, ...], node: str) -> OwnProgram | None:
    """That of a node; None where the lab's daemons run."""
    return next((each for each in programs if each.node == node), None)
