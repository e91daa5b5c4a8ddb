"""What a daemon writes to its standard output and error: a file, ``logs/<node>/<name>.log``.

A daemon whose lines have a time of their own writes the file itself. The output of another one goes through a
socket, at which the kernel notes the time of each write(2), and ``system_log`` writes the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.linux.system_log import SystemLog

_TAIL_BYTES = 4096


class Log:
    """A log file that somebody else writes; every search starts at the beginning, or at ``since``.

    What the file held before belongs to an earlier process of the same name and is not looked at.
    """

    def __init__(self, path: Path, take: Callable[[], bool] | None = None) -> None:
        """``take`` writes what has come for the file and is not there yet; whether there may be more."""
        self.path = path
        self._take = take
        self._start = 0
        self._start = self.size

    @property
    def size(self) -> int:
        """Where the log ends now: give it as ``since`` to see only what comes after."""
        self.catch_up()
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def text(self, since: int = 0) -> str:
        """What it holds from ``since`` on; nothing while it does not exist."""
        self.catch_up()
        try:
            with self.path.open("rb") as file:
                file.seek(max(since, self._start))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def tail(self, lines: int = 12) -> str:
        """The last lines, for an error message."""
        return "\n".join(self.text(max(0, self.size - _TAIL_BYTES)).splitlines()[-lines:])

    def catch_up(self) -> None:
        """Have everything in the file that has been written for it."""
        while self._take is not None and self._take():
            pass


def create(path: Path, clock: SystemLog | None) -> tuple[Log, int]:
    """A log, and the descriptor at which a program writes it, which the caller closes.

    ``clock``: who writes the lab's time in front of each line; None: nobody.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if clock is None:
        log = Log(path)
        return log, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    taken, output = clock.add_output(path)
    return Log(path, taken.take), output.detach()
