"""The receiver's store: one SQLite file for all of IBM's servers of a lab, so that what one site knows,
all know (R-11). Tables and transactions; what is in them is said by who uses them.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lab.ibm.receiver.refused import NotDone

KEY_BYTES = 32
STORE_BYTES = 1 << 30
"""Of the file, at most."""
SYSTEM_BYTES = 256 << 20
"""What a machine may have in the store, reports and uploads together."""
MOST_SYSTEMS = 10_000

_TABLES = """
BEGIN;
CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS systems (
  id TEXT PRIMARY KEY, type TEXT NOT NULL, model TEXT NOT NULL, serial TEXT NOT NULL,
  agent TEXT NOT NULL, ibm_ids TEXT NOT NULL, contact TEXT NOT NULL DEFAULT '',
  enrolled REAL NOT NULL, report TEXT NOT NULL,
  digest TEXT NOT NULL, transaction_n INTEGER NOT NULL, fix_order TEXT NOT NULL,
  number INTEGER NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL, since REAL NOT NULL,
  used INTEGER NOT NULL DEFAULT 0, wanted INTEGER NOT NULL DEFAULT 0,
  offered_salt BLOB, offered_hash BLOB, offered REAL,
  key_number INTEGER NOT NULL DEFAULT 0, key_expires REAL NOT NULL DEFAULT 0,
  reset INTEGER NOT NULL DEFAULT 0, reset_asked REAL);
CREATE TABLE IF NOT EXISTS reports (
  n INTEGER PRIMARY KEY, system TEXT NOT NULL, kind TEXT NOT NULL, report TEXT NOT NULL,
  digest TEXT NOT NULL, received REAL NOT NULL, content TEXT, bytes INTEGER NOT NULL, closed REAL,
  UNIQUE (system, kind, report));
CREATE TABLE IF NOT EXISTS uploads (
  n INTEGER PRIMARY KEY, system TEXT NOT NULL, report TEXT NOT NULL, name TEXT NOT NULL,
  bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, held INTEGER NOT NULL DEFAULT 0,
  complete INTEGER NOT NULL DEFAULT 0, since REAL, UNIQUE (system, report, name));
CREATE TABLE IF NOT EXISTS parts (
  upload INTEGER NOT NULL, start INTEGER NOT NULL, content BLOB NOT NULL,
  PRIMARY KEY (upload, start));
CREATE TABLE IF NOT EXISTS configurations (
  version INTEGER PRIMARY KEY, issued REAL NOT NULL, servers TEXT NOT NULL, jws TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS removals (
  n INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, system TEXT NOT NULL,
  report TEXT NOT NULL, name TEXT NOT NULL, stored REAL NOT NULL, removed REAL NOT NULL);
CREATE TABLE IF NOT EXISTS acts (
  n INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, act TEXT NOT NULL, subject TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS orders ON systems (fix_order);
CREATE INDEX IF NOT EXISTS reports_held ON reports (system, bytes);
CREATE INDEX IF NOT EXISTS reports_closed ON reports (closed)
  WHERE content IS NOT NULL AND closed IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_held ON uploads (system, bytes) WHERE since IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_since ON uploads (since) WHERE since IS NOT NULL;
COMMIT;
"""


class Store:
    """Opened when it is first used; any thread may ask, one at a time."""

    def __init__(self, path: Path, key_file: Path, *, most_bytes: int = STORE_BYTES) -> None:
        self.path = path
        self._key_file = key_file
        self._most_bytes = most_bytes
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._key = b""

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Store]:
        """All or nothing of what the ``with`` block writes. NotDone raised by the block keeps what was
        written, anything else takes it back. A full disk is NotDone with 507, an unusable store 503."""
        with self._lock:
            try:
                connection = self._opened()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self
                except NotDone:
                    connection.execute("COMMIT")
                    raise
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._trouble(error) from error
            except OSError as error:
                problem = f"the receiver cannot use {error.filename}: {error.strerror}"
                raise NotDone(503, f"{problem}; nothing of the message was stored") from error
            finally:
                self._roll_back()

    def read(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """The rows that a statement finds."""
        return self._open.execute(statement, values).fetchall()

    def one(self, statement: str, *values: Any) -> sqlite3.Row | None:
        """The first row that a statement finds."""
        row: sqlite3.Row | None = self._open.execute(statement, values).fetchone()
        return row

    def write(self, statement: str, *values: Any) -> int:
        """How many rows were changed."""
        return self._open.execute(statement, values).rowcount

    def insert(self, table: str, **values: Any) -> int:
        """Add a row, and say the number of the row."""
        marks = ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"
        return int(self._open.execute(statement, tuple(values.values())).lastrowid or 0)

    def number(self) -> int:
        """A new number for a transaction, which no other one has or had."""
        return int(self._open.execute("INSERT INTO numbers DEFAULT VALUES").lastrowid or 0)

    @property
    def key(self) -> bytes:
        """What the passwords are computed from."""
        return self._key

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None, "inside transaction()"
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._key = self._key or _key(self._key_file)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            opened = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                opened.row_factory = sqlite3.Row
                for pragma in self._pragmas():
                    opened.execute(f"PRAGMA {pragma}")
                opened.executescript(_TABLES)
            except sqlite3.Error:
                opened.close()
                raise
            self._connection = opened
        return self._connection

    def _pragmas(self) -> Sequence[str]:
        """The file lies on the host, where the guest can map nothing into memory that others write (no WAL,
        no mmap). What is written is the host's at once, so that nothing need be flushed: the lab's end,
        however it comes, loses nothing."""
        pages = self._most_bytes // 4096
        return (
            "page_size=4096",
            "mmap_size=0",
            "locking_mode=EXCLUSIVE",
            "journal_mode=TRUNCATE",
            "synchronous=OFF",
            "temp_store=MEMORY",
            "secure_delete=ON",
            f"max_page_count={pages}",
        )

    def _roll_back(self) -> None:
        """After a commit there is nothing to take back."""
        if self._connection is not None and self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _trouble(self, error: sqlite3.Error) -> NotDone:
        code = getattr(error, "sqlite_errorcode", 0)
        nothing = "nothing of the message was stored, and it may be sent again"
        if code == sqlite3.SQLITE_FULL or code in _NO_ROOM:
            fix = f"make room where {self.path.name} is, or remove what is stored there"
            return NotDone(507, f"the receiver's store is full ({error}): {nothing}; fix: {fix}")
        return NotDone(503, f"the receiver's store cannot be used ({error}): {nothing}")


_NO_ROOM = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_FSYNC}


def _key(path: Path) -> bytes:
    """The receiver's own, made when there is none; its owner's only."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    fresh = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(os.urandom(KEY_BYTES))
    fresh.replace(path)
    return path.read_bytes()
