"""What the people at the receiver see of the store: machines, whom to call about each, resets that are asked
for, problems, what was deleted. No password, and nothing else of what a message says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from lab.ibm.receiver.identity import MachineName
from lab.ibm.receiver.reports import pmh
from lab.ibm.receiver.store import Store

_HELD = (
    "(SELECT coalesce(sum(bytes), 0) FROM reports WHERE system = id)"
    " + (SELECT coalesce(sum(bytes), 0) FROM uploads WHERE system = id AND since IS NOT NULL)"
)


def machines(store: Store) -> list[dict[str, Any]]:
    """All that have enrolled; times in seconds since 1970, ``None`` where nothing is offered or asked for."""
    return [
        {
            "id": row["id"],
            "machine": str(MachineName(row["type"], row["model"], row["serial"])),
            "agent": row["agent"],
            "contact": json.loads(row["contact"]) if row["contact"] else None,
            "enrolled": row["enrolled"],
            "password_number": row["number"],
            "password_since": row["since"],
            "password_offered": row["offered"],
            "reset_asked": row["reset_asked"],
            "reset_carried_out": bool(row["reset"]),
            "held_bytes": row["held"],
        }
        for row in store.read(f"SELECT *, {_HELD} AS held FROM systems ORDER BY enrolled, id")
    ]


def problems(store: Store) -> list[dict[str, Any]]:
    """All that were reported."""
    return [
        {
            "pmh": pmh(row["n"]),
            "id": row["system"],
            "report": row["report"],
            "received": row["received"],
            "closed": row["closed"],
            "deleted": row["content"] is None,
        }
        for row in store.read("SELECT * FROM reports WHERE kind = 'problem' ORDER BY n")
    ]


def removals(store: Store) -> list[dict[str, Any]]:
    """What was deleted by its time (E-21): a problem's report or a file of problem data."""
    rows = store.read(
        "SELECT what, system AS id, report, name, stored, removed FROM removals ORDER BY n"
    )
    return [dict(row) for row in rows]


def acts(store: Store) -> list[dict[str, Any]]:
    """What the people at the receiver have done."""
    return [dict(row) for row in store.read("SELECT time, act, subject FROM acts ORDER BY n")]


LISTS: Mapping[str, Callable[[Store], list[dict[str, Any]]]] = {
    "machines": machines,
    "problems": problems,
    "removals": removals,
    "acts": acts,
}
