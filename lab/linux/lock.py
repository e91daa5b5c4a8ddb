"""Locks between processes (flock(2)): the kernel lets go of one when a holder ends, even by SIGKILL."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from lab.wait import wait_until

HOUR_S = 3600.0


def take(file: int | IO[Any]) -> bool:
    """Take the lock of an open file, unless somebody else has the lock; whether it is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def held(
    lock: Path, what: str, tell: Callable[[str], None], meanwhile: Callable[[], None] = lambda: None
) -> Iterator[bool]:
    """Hold a lock file; yields whether the end of another holder was waited for.

    ``what`` is what the holder does, in a word; ``tell`` hears once that there is another one, and
    ``meanwhile`` is called as long as that one lasts. Raises OSError if the file cannot be written.
    """
    with lock.open("a") as file:

        def acquired() -> bool:
            if not (ours := take(file)):
                meanwhile()
            return ours

        if waited := not acquired():
            tell(f"another {what} is running: waiting for its result")
            wait_until(f"the end of the other {what}", acquired, HOUR_S, every_s=0.1)
        yield waited
