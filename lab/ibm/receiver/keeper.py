"""Deletes in time what is not to be kept (E-21): a thread that waits until something is due.

Without it, what is due goes with the next request. In virtual time the wait costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from lab.ibm.receiver.refused import NotDone
from lab.ibm.threads import SmallThread

RETRY_S = 3600.0
"""After a time at which the store could not be used: its disk was full, say."""


class RetentionKeeper:
    """Waits for what ``look`` was told of; any thread may tell."""

    def __init__(self, purge: Callable[[], int], clock: Callable[[], float]) -> None:
        """``purge`` deletes, and tells ``look`` what is due next."""
        self._purge = purge
        self._clock = clock
        self._changed = threading.Condition()
        self._due: float | None = None
        self._ending = False
        self._thread = SmallThread(name="sdc-retention", target=self._keep, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """The thread has ended when this returns."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def look(self, due: float | None) -> None:
        """When something is to be deleted next; None: nothing is."""
        with self._changed:
            if due != self._due:
                self._due = due
                self._changed.notify()

    def _keep(self) -> None:
        while self._is_due():
            try:
                self._purge()
            except NotDone:
                self.look(self._clock() + RETRY_S)

    def _is_due(self) -> bool:
        """Wait until something is; False at the end."""
        with self._changed:
            while not self._ending:
                left_s = None if self._due is None else self._due - self._clock()
                if left_s is not None and left_s <= 0:
                    return True
                self._changed.wait(left_s)
            return False
