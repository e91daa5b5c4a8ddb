"""What blocks, done in threads of their own for a thread that must not wait: IKE, a telephone call."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from lab.linux.worker import Broke

URGE_EVERY_S = 0.5
"""A modem passes over what comes right after a command line: it is told again to give up."""

STACK_BYTES = 1 << 20
"""Of each of a partition's threads: in the guest all of a stack is put in place at once."""

T = TypeVar("T")
Errand = Callable[[], None]


class Outbox:
    """Answers for the thread that asked, which polls ``fileno``."""

    def __init__(self) -> None:
        self._answers: deque[Errand] = deque()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._bell

    def put(self, answer: Errand) -> None:
        """From any thread."""
        self._answers.append(answer)
        os.eventfd_write(self._bell, 1)

    def take(self) -> list[Errand]:
        """All answers so far; only once ``fileno`` is readable."""
        os.eventfd_read(self._bell)
        taken = []
        while self._answers:
            taken.append(self._answers.popleft())
        return taken

    def close(self) -> None:
        os.close(self._bell)


class Runner:
    """A thread that does one errand after the other, in the order in which they were given."""

    def __init__(self, name: str, outbox: Outbox, broke: Broke) -> None:
        self._outbox = outbox
        self._broke = broke
        self._given: queue.SimpleQueue[Errand | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        before = threading.stack_size(STACK_BYTES)
        try:
            self._thread.start()
        finally:
            threading.stack_size(before)

    def give(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do ``work`` here, and have whoever empties the outbox call ``then`` with the result."""

        def errand() -> None:
            result = work()
            self._outbox.put(lambda: then(result))

        self._given.put(errand)

    def drop(self) -> None:
        """Forget what has not begun."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._given.get_nowait()

    def end(self, urge: Callable[[], None] = lambda: None) -> None:
        """Do nothing that has not begun, and wait until what has begun is done; urge it meanwhile."""
        self.drop()
        self._given.put(None)
        while self._thread.is_alive():
            urge()
            self._thread.join(URGE_EVERY_S)

    def _run(self) -> None:
        with self._broke:
            while (errand := self._given.get()) is not None:
                errand()
