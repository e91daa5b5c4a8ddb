"""Threads of IBM's servers."""

from __future__ import annotations

import threading

STACK_BYTES = 256 * 1024


class SmallThread(threading.Thread):
    """A thread with a small stack: the lab locks its memory, so every page of it is paid for.

    Nothing that a caller sends may decide how deep its thread calls: see ``nesting``.
    """

    stack_bytes = STACK_BYTES

    def start(self) -> None:
        before = threading.stack_size(self.stack_bytes)
        try:
            super().start()
        finally:
            threading.stack_size(before)
