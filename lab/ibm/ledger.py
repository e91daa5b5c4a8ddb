"""The ledger: every transaction that reached ``sdc``, in memory and line by line in a file.

Each connection leaves at least one entry, also one that broke in the TLS handshake. Nothing is
judged here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from lab import codec
from lab.errors import PrerequisiteError
from lab.record.record import Transaction


@contextlib.contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """A ledger, which goes on where its file ends; PrerequisiteError if the file could not be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer: what was not written is kept here, line by line, until there is room.
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise _cannot_write(path, error) from error

    ledger = Ledger(file)
    try:
        yield ledger
    finally:
        ledger.close()
    if ledger.failure is not None:
        raise _cannot_write(path, ledger.failure) from ledger.failure


class Ledger:
    """Made by ``open_ledger``; ``add`` may be called by any thread."""

    def __init__(self, file: FileIO) -> None:
        self._lock = threading.Lock()
        self._entries: list[Transaction] = []
        self._file = file
        self._unwritten = bytearray()
        self.failure: OSError | None = None
        """Why the last entries are in memory only; None again when they could be written after all."""

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """What was entered so far, in order."""
        with self._lock:
            return tuple(self._entries)

    def add(self, transaction: Transaction) -> None:
        """Enter a transaction, before it is answered.

        A full disk does not stop the server: the entry waits in memory for room, and if none comes, closing
        the ledger says what happened.
        """
        line = codec.dump(transaction, indent=None) + "\n"

        with self._lock:
            self._entries.append(transaction)
            if not self._file.closed:
                self._unwritten += line.encode()
                self._write()

    def _write(self) -> None:
        """Write what waits, as much as there is room for."""
        try:
            while self._unwritten:
                written = self._file.write(self._unwritten)
                del self._unwritten[: written or 0]
            self.failure = None
        except OSError as error:
            self.failure = error

    def close(self) -> None:
        """Close the file; what is entered later stays in memory."""
        with self._lock:
            self._write()
            try:
                self._file.close()
            except OSError as error:
                self.failure = self.failure or error


def _cannot_write(path: Path, error: OSError) -> PrerequisiteError:
    return PrerequisiteError(
        f"cannot write the ledger {path}: {error.strerror}",
        hint="make room there, or choose another run directory with --out",
    )
