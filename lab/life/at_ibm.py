"""What IBM's people do in an agent's life, at the receiver: passwords, keys, problems, configurations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from lab.ibm.receiver.desk import Receiver
from lab.ibm.receiver.reports import PROBLEM, pmh


class IbmOffice:
    """The receiver's people. A machine that never enrolled is none that anything can be done about."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._seen = 0

    @property
    def machines(self) -> list[str]:
        """The IDs of the enrolled machines."""
        with self._receiver.store.transaction() as store:
            return [row["id"] for row in store.read("SELECT id FROM systems ORDER BY enrolled")]

    def change_passwords(self) -> list[str]:
        """Want another password of every machine; whose."""
        for machine in (known := self.machines):
            self._receiver.change_password_now(machine)
        return known

    def reset(self) -> list[str]:
        """Reset every machine; which."""
        for machine in (known := self.machines):
            self._receiver.reset(machine)
        return known

    def close_oldest(self) -> str:
        """Close the oldest open problem; the number of it, or nothing if none is open."""
        with self._receiver.store.transaction() as store:
            row = store.one(
                "SELECT n FROM reports WHERE kind = ? AND closed IS NULL ORDER BY n LIMIT 1",
                PROBLEM,
            )
        if row is None:
            return ""
        self._receiver.close_problem(pmh(row["n"]))
        return pmh(row["n"])

    def shorten_access_keys(self, seconds: float) -> None:
        """Let access keys that are given from now on live for so long."""
        self._receiver.give_access_keys(seconds)

    def new_problems(self) -> list[tuple[str, str]]:
        """Number and text of each problem that has come since the last time that this was asked."""
        with self._receiver.store.transaction() as store:
            rows = store.read(
                "SELECT n, content FROM reports WHERE kind = ? AND n > ? ORDER BY n",
                PROBLEM,
                self._seen,
            )
        self._seen = max([self._seen, *(row["n"] for row in rows)])
        return [
            (pmh(row["n"]), str(json.loads(row["content"]).get("text", "")))
            for row in rows
            if row["content"]
        ]

    def publish(self, servers: Mapping[str, Sequence[str]]) -> int:
        """A new configuration; the version."""
        return self._receiver.publish(servers)

    def purge(self) -> int:
        """Delete what is due."""
        return self._receiver.purge()
