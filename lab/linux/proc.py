"""/proc as this process sees it, also in a node's thread.

A node's own /proc has the node's processes alone. This process is none of them: there is no ``self`` and
no ``thread-self`` for it there. So what is about a thread of ours is read by the surrounding /proc, which is
opened once. What is about the kernel (/proc/sys) may be read by its path everywhere.
"""

from __future__ import annotations

import functools
import os


def read(path: str) -> str:
    """A file by its path below /proc, such as ``thread-self/net/route``; raises OSError as ``open``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=surrounding())
    with os.fdopen(descriptor) as file:
        return file.read()


def link(path: str) -> str:
    """Where a link below /proc leads, such as ``self/cwd``."""
    return os.readlink(path, dir_fd=surrounding())


@functools.cache
def surrounding() -> int:
    """A descriptor of the /proc around all nodes; first called before there is a node."""
    return os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
