"""A thread of ours that works until it is told to stop."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol

from lab.errors import ThreadBroke


@contextlib.contextmanager
def start_worker(
    work: Callable[[int], None], name: str, *, stack_bytes: int = 0
) -> Iterator[threading.Thread]:
    """Run ``work`` in a thread; on leaving, tell the thread to stop, and wait for its end.

    ``work`` gets a descriptor, and has to return once that has become readable. ``stack_bytes``, 0 for the
    usual 8 MiB: in the guest all of a stack is put in place at once, a page for 4 microseconds.
    """
    with contextlib.ExitStack() as undo:
        told = os.eventfd(0, os.EFD_CLOEXEC)
        undo.callback(os.close, told)
        thread = threading.Thread(target=work, args=(told,), name=name, daemon=True)
        before = threading.stack_size(stack_bytes)
        try:
            thread.start()
            undo.callback(thread.join)
            undo.callback(os.eventfd_write, told, 1)
        finally:
            threading.stack_size(before)
        yield thread


class HasFileno(Protocol):
    """A socket, for example."""

    def fileno(self) -> int: ...


def readable(*sources: int | HasFileno) -> select.poll:
    """Tells when one of these can be read."""
    poller = select.poll()
    for source in sources:
        poller.register(source, select.POLLIN)
    return poller


class Broke:
    """What ended a thread before its time, or the first of several. It works in ``with``; ``check`` asks."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.error = self.error or error
        return True

    def check(self) -> None:
        """Raise ThreadBroke, once, if something ended the thread."""
        error, self.error = self.error, None
        if error is not None:
            raise ThreadBroke(self._name, error) from error
