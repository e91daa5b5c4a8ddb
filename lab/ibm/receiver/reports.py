"""Messages that are put once: heartbeat, inventory, performance data, problem (E-14, E-15, E-20).

The sender names each by an identifier of its own. What comes again with the same content is answered as the
first time, so a queue can be drained until each message has an answer, and nothing is there twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from lab.ibm.receiver.credentials import transaction_of
from lab.ibm.receiver.refused import NotDone
from lab.ibm.receiver.store import SYSTEM_BYTES, Store

PROBLEM = "problem"


def put(
    store: Store, system: str, kind: str, report: str, digest: str, content: str, now: float
) -> tuple[bool, sqlite3.Row]:
    """Whether it is there only now, and the report; NotDone with 409 for other content than before."""
    row = find(store, system, kind, report)
    if row is not None:
        if row["digest"] != digest:
            raise NotDone(
                409,
                f"the {kind} {report} is there with other content: a new message needs a new identifier",
            )
        return False, row
    size = len(content.encode())
    check_room(store, system, size)
    store.insert(
        "reports",
        n=store.number(),
        system=system,
        kind=kind,
        report=report,
        digest=digest,
        received=now,
        content=content,
        bytes=size,
    )
    fresh = find(store, system, kind, report)
    assert fresh is not None, "it has just been written"
    return True, fresh


def note_contact(store: Store, system: str, contact: Mapping[str, str]) -> None:
    """Whom IBM's people call about a machine from now on (S1 Table 1)."""
    store.write("UPDATE systems SET contact = ? WHERE id = ?", json.dumps(contact), system)


def find(store: Store, system: str, kind: str, report: str) -> sqlite3.Row | None:
    return store.one(
        "SELECT * FROM reports WHERE system = ? AND kind = ? AND report = ?", system, kind, report
    )


def problem(store: Store, system: str, report: str) -> sqlite3.Row:
    """NotDone with 404 if the machine has reported no such problem."""
    row = find(store, system, PROBLEM, report)
    if row is None:
        raise NotDone(
            404, f"this machine has reported no problem {report}: PUT /service/problems/{report}"
        )
    return row


def acknowledgement(row: sqlite3.Row) -> dict[str, str]:
    """The same however often it is asked for."""
    answer = {"transaction": transaction_of(row["n"])}
    if row["kind"] == PROBLEM:
        answer["pmh"] = pmh(row["n"])
    return answer


def state(row: sqlite3.Row) -> dict[str, str]:
    """Of a problem."""
    return {"pmh": pmh(row["n"]), "state": "open" if row["closed"] is None else "closed"}


def pmh(number: int) -> str:
    """The problem management number of a report (E-20)."""
    return f"PMH{number:07d}"


def close(store: Store, number: str, now: float) -> None:
    """Close a problem; it may be closed already. NotDone with 404 if there is none."""
    digits = number.removeprefix("PMH")
    n = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0
    row = store.one("SELECT * FROM reports WHERE n = ? AND kind = ?", n, PROBLEM)
    if row is None:
        raise NotDone(404, f"there is no problem {number}")
    store.write("UPDATE reports SET closed = coalesce(closed, ?) WHERE n = ?", now, n)


def check_room(store: Store, system: str, size: int) -> None:
    """NotDone with 507 where a machine would have more in the store than it may."""
    row = store.one(
        "SELECT (SELECT coalesce(sum(bytes), 0) FROM reports INDEXED BY reports_held"
        " WHERE system = ?1)"
        " + (SELECT coalesce(sum(bytes), 0) FROM uploads INDEXED BY uploads_held"
        " WHERE system = ?1 AND since IS NOT NULL)",
        system,
    )
    assert row is not None, "a sum is a row"
    if row[0] + size > SYSTEM_BYTES:
        raise NotDone(
            507,
            f"the machine has {row[0]} bytes in the receiver, and {size} more are above the {SYSTEM_BYTES}"
            " that it may have; fix: wait until some are deleted (problem data after 3 days)",
        )
