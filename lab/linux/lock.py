"""Locks between processes (flock(2)): the kernel lets go of one when a holder ends, even by SIGKILL."""

from __future__ import annotations

import fcntl
from typing import IO, Any


def take(file: int | IO[Any]) -> bool:
    """Take the lock of an open file, unless somebody else has the lock; whether it is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
