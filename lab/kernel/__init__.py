"""The lab's own kernel: what it is made of, its build, and what is in the user's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.kernel.store import KernelStatus, buildable, by_seccomp, status

if TYPE_CHECKING:
    from pathlib import Path

    from lab.kernel.builder import Progress

__all__ = ["KernelStatus", "Progress", "build", "buildable", "by_seccomp", "status"]


def build(progress: Progress, *, again: bool = False) -> Path:
    """The kernel of today's recipe, built if it is not there (or ``again``)."""
    # Only here: every command asks what there is, and few build.
    from lab.kernel import builder

    return builder.build(progress, again=again)
