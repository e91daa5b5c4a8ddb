"""Every password and access key that a receiver has told, for whoever looks for them where they must not be.

Read from the store and the key of a run that has ended; neither has them in clear.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lab.ibm.receiver.identity import access_key, password
from lab.secret import Secret


def told(store: Path, key_file: Path) -> Iterator[tuple[str, Secret]]:
    """What each is, and the secret itself: ``password 2 of C7H2OELBD4J2KNNF``. None where there is no store.

    Numbers that a reset has passed over are among them, and were told to nobody.
    """
    if not store.exists():
        return
    key = key_file.read_bytes()
    with contextlib.closing(
        sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)
    ) as opened:
        rows = opened.execute("SELECT id, number, key_number FROM systems ORDER BY id").fetchall()
    for identity, last, last_key in rows:
        for number in range(1, last + 2):  # the next one may have been offered
            yield f"password {number} of {identity}", password(key, identity, number)
        for number in range(1, last_key + 1):
            yield f"access key {number} of {identity}", access_key(key, identity, number)
