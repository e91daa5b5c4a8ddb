"""Extended error data, in parts: declared, sent from wherever it stands, checked by its SHA-256 at the end.

What has come of a request that was cut off stays, so a slow line needs to send nothing twice.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

from lab.ibm.receiver import reports
from lab.ibm.receiver.refused import NotDone
from lab.ibm.receiver.store import Store


def declare(
    store: Store, system: str, report: str, name: str, content: Any
) -> tuple[bool, dict[str, Any]]:
    """Whether it is declared only now, and where it stands."""
    reports.problem(store, system, report)
    row = _find(store, system, report, name)
    if row is not None:
        if (row["bytes"], row["sha256"]) != (content["bytes"], content["sha256"]):
            raise NotDone(
                409, f"{name} was declared with other bytes: other data needs another name"
            )
        return False, _standing(row)
    reports.check_room(store, system, int(content["bytes"]))
    store.insert(
        "uploads",
        system=system,
        report=report,
        name=name,
        bytes=int(content["bytes"]),
        sha256=content["sha256"],
    )
    return True, _standing(_there(store, system, report, name))


def state(store: Store, system: str, report: str, name: str) -> dict[str, Any]:
    """How much is there."""
    row = _there(store, system, report, name)
    return {**_standing(row), "bytes": row["bytes"]}


def take(
    store: Store, system: str, report: str, name: str, offset: int, data: bytes, now: float
) -> dict[str, Any]:
    """Add bytes; NotDone with 409 where they do not belong, 413 for too many, 422 for a wrong digest."""
    row = _there(store, system, report, name)
    if offset != row["held"]:
        raise NotDone(
            409,
            f"{name} goes on at {row['held']}, and not at {offset}",
            fields=(("Upload-Offset", str(row["held"])),),
        )
    held = row["held"] + len(data)
    if held > row["bytes"]:
        raise NotDone(
            413, f"{name} was declared with {row['bytes']} bytes, and these would be {held}"
        )
    if not data:
        return _standing(row)
    if row["since"] is None:
        reports.check_room(store, system, row["bytes"])
    store.insert("parts", upload=row["n"], start=row["held"], content=data)
    store.write(
        "UPDATE uploads SET held = ?, since = coalesce(since, ?) WHERE n = ?", held, now, row["n"]
    )
    if held == row["bytes"]:
        _finish(store, row)
    return _standing(_there(store, system, report, name))


def _finish(store: Store, row: sqlite3.Row) -> None:
    digest = hashlib.sha256()
    for start in store.read("SELECT start FROM parts WHERE upload = ? ORDER BY start", row["n"]):
        part = store.one(
            "SELECT content FROM parts WHERE upload = ? AND start = ?", row["n"], start["start"]
        )
        assert part is not None, "it was there"
        digest.update(part["content"])
    if digest.hexdigest() == row["sha256"]:
        store.write("UPDATE uploads SET complete = 1 WHERE n = ?", row["n"])
        return
    store.write("DELETE FROM parts WHERE upload = ?", row["n"])
    store.write("UPDATE uploads SET held = 0, since = NULL WHERE n = ?", row["n"])
    raise NotDone(
        422,
        f"the SHA-256 of {row['name']} is {digest.hexdigest()}, and {row['sha256']} was declared:"
        " nothing of it was kept; fix: send it again from offset 0",
        fields=(("Upload-Offset", "0"),),
    )


def _standing(row: sqlite3.Row) -> dict[str, Any]:
    return {"offset": row["held"], "complete": bool(row["complete"])}


def _find(store: Store, system: str, report: str, name: str) -> sqlite3.Row | None:
    return store.one(
        "SELECT * FROM uploads WHERE system = ? AND report = ? AND name = ?", system, report, name
    )


def _there(store: Store, system: str, report: str, name: str) -> sqlite3.Row:
    row = _find(store, system, report, name)
    if row is None:
        path = f"/service/problems/{report}/data/{name}"
        raise NotDone(404, f"{name} was not declared for the problem {report}: PUT {path}")
    return row
