"""The ledger: every transaction that reached ``sdc``, in memory and line by line in a file.

Each connection leaves at least one entry, also one that broke in the TLS handshake. Nothing is
judged here.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import IO

from lab import codec
from lab.errors import LabBroke, PrerequisiteError
from lab.record.record import Transaction


class Ledger:
    """Open it with ``with``; ``add`` may be called by any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._entries: list[Transaction] = []
        self._file: IO[str] | None = None
        self._failure: OSError | None = None

    def __enter__(self) -> Ledger:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise self._cannot_write(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            file, self._file = self._file, None

        if file is not None:
            try:
                file.close()
            except OSError as failure:
                self._failure = self._failure or failure

        if self._failure is not None and error is None:
            raise self._cannot_write(self._failure) from self._failure

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """What was entered so far, in order."""
        with self._lock:
            return tuple(self._entries)

    def add(self, transaction: Transaction) -> None:
        """Enter a transaction, before it is answered.

        A full disk does not stop the server: the entry stays in memory, and closing the ledger says
        what happened.
        """
        line = codec.dump(transaction, indent=None) + "\n"

        with self._lock:
            self._entries.append(transaction)
            if self._file is None or self._failure is not None:
                return

            try:
                self._file.write(line)
                self._file.flush()
            except OSError as error:
                self._failure = error

    def _cannot_write(self, error: OSError) -> PrerequisiteError:
        return PrerequisiteError(
            f"cannot write the ledger {self.path}: {error.strerror}",
            hint="make room there, or choose another run directory with --out",
        )


def read(path: Path) -> tuple[Transaction, ...]:
    """Read a ledger's file; a last line without its end, of a lab that was killed, is left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LabBroke(f"cannot read the ledger {path}: {error.strerror}") from error

    entries = []
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            entries.append(codec.load(Transaction, line))
        except (TypeError, ValueError, AttributeError) as error:
            raise LabBroke(
                f"{path}, line {number} is no transaction: {error}",
                hint="the file was changed after the run; run the topology again",
            ) from error
    return tuple(entries)
