"""Signals of this process, as bytes that can be read where it waits for other things, too."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Heeding = Callable[..., object]
END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""By which a user, the system or a terminal ends a program."""


@contextlib.contextmanager
def held(
    numbers: Iterable[int], heed: Heeding = lambda *_: None, *, also: Iterable[int] = ()
) -> Iterator[int]:
    """While it lasts, each of the signals does what ``heed`` does, and no more; those of ``also`` do nothing.

    Gives a descriptor from which the numbers of all that came can be read; reading it never waits. What was
    there before is there again afterwards, however the block ends. ``heed`` may raise.
    """
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before: dict[int, Any] = {}
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        for number in numbers:
            before[number] = signal.signal(number, heed)
        for number in also:
            before[number] = signal.signal(number, lambda *_: None)
        yield read
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            # None: somebody else than Python had put one there, which Python cannot put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        os.close(read)
        os.close(write)
