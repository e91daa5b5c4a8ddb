"""What is deleted when (E-21, white paper of 2017, Retention): what a problem report says 60 days after the
problem was closed, problem data three days after the first byte came. Inventories stay.

Identifier, digest and number of a deleted message stay, so that it is still not taken twice.
"""

from __future__ import annotations

from lab.ibm.receiver.credentials import DAY_S
from lab.ibm.receiver.reports import PROBLEM
from lab.ibm.receiver.store import Store

REPORT_S = 60 * DAY_S
DATA_S = 3 * DAY_S


def purge(store: Store, now: float) -> int:
    """Delete what is due, and say how many messages and files that were; each is in ``removals``."""
    # The sums are those of next_due, to the last bit.
    reports = store.read(
        "SELECT n, system, report, received FROM reports INDEXED BY reports_closed"
        " WHERE content IS NOT NULL AND closed IS NOT NULL AND closed + ? <= ?",
        REPORT_S,
        now,
    )
    for row in reports:
        _note(store, PROBLEM, row["system"], row["report"], "", row["received"], now)
        store.write("UPDATE reports SET content = NULL, bytes = 0 WHERE n = ?", row["n"])
    uploads = store.read(
        "SELECT * FROM uploads INDEXED BY uploads_since WHERE since IS NOT NULL AND since + ? <= ?",
        DATA_S,
        now,
    )
    for row in uploads:
        _note(store, "data", row["system"], row["report"], row["name"], row["since"], now)
        store.write("DELETE FROM parts WHERE upload = ?", row["n"])
        # What was whole has arrived; of what was not, everything is to be sent again.
        held = row["bytes"] if row["complete"] else 0
        store.write("UPDATE uploads SET held = ?, since = NULL WHERE n = ?", held, row["n"])
    return len(reports) + len(uploads)


def next_due(store: Store) -> float | None:
    """When something will have to be deleted; None if nothing will."""
    row = store.one(
        "SELECT min(due) FROM (SELECT min(closed) + ? AS due FROM reports INDEXED BY reports_closed"
        " WHERE content IS NOT NULL AND closed IS NOT NULL"
        " UNION ALL SELECT min(since) + ? FROM uploads INDEXED BY uploads_since"
        " WHERE since IS NOT NULL)",
        REPORT_S,
        DATA_S,
    )
    return None if row is None else row[0]


def _note(
    store: Store, what: str, system: str, report: str, name: str, stored: float, now: float
) -> None:
    store.insert(
        "removals", what=what, system=system, report=report, name=name, stored=stored, removed=now
    )
