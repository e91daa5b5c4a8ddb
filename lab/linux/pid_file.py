"""The process that a file of a node names, as daemons write such files: ``/run/ppp0.pid``.

The number in the file is the node's. For this process the same process has another one.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from lab.linux.nodes import Node
from lab.linux.pid_namespace import numbers_of


def open_process(node: Node, path: str) -> int | None:
    """A descriptor (pidfd_open(2)) of the process that a file of a node names; None if there is none."""
    try:
        number = int(node.call(Path(path).read_text))
    except (OSError, ValueError):
        return None
    # Process 1 of the node is process 1 in the node alone, however deep the node lies.
    depth = len(numbers_of(node.init)) - 1
    for pid in node.strays():
        if numbers_of(pid)[depth : depth + 1] == (number,):
            with contextlib.suppress(ProcessLookupError):
                return os.pidfd_open(pid)
    return None
