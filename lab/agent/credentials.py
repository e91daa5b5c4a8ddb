"""IDs and passwords, one pair for each machine (E-06), in a file that is always whole.

A password that IBM's side offers is kept beside the one in use until it has been used with success: whichever
answer is lost, one of the two holds (E-09). Nobody but IBM's side sets a password (E-10).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.agent import storage
from lab.secret import Secret

FILE = "credentials.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLogIn:
    """What a machine is known by."""

    id: str
    password: Secret
    offered: Secret | None = None
    """The next password, which has not been used yet."""
    enrolled_by: str = ""
    """The report whose answer this is from."""
    changed: float = 0.0
    """When the password in use was stored; seconds of the epoch."""

    @property
    def passwords(self) -> list[Secret]:
        """Those to try, in order: an offered one may hold alone, if the answer to its first use was lost."""
        return [*filter(None, [self.offered]), self.password]


class Credentials:
    """The file; each change is on the disk when its function has returned. All raise StorageError."""

    def __init__(self, state: Path) -> None:
        self.path = state / FILE

    def of(self, machine: str) -> AgentLogIn | None:
        """Of a machine by its name; None before it is enrolled."""
        members = self._read().get(machine)
        if not isinstance(members, dict):
            return None
        offered = members.get("offered", "")
        return AgentLogIn(
            id=str(members.get("id", "")),
            password=Secret(str(members.get("password", ""))),
            offered=Secret(offered) if offered else None,
            enrolled_by=str(members.get("enrolled_by", "")),
            changed=float(members.get("changed", 0.0)),
        )

    def keep(self, machine: str, log_in: AgentLogIn) -> None:
        everybody = self._read()
        everybody[machine] = {
            "id": log_in.id,
            "password": log_in.password.reveal(),
            "offered": log_in.offered.reveal() if log_in.offered else "",
            "enrolled_by": log_in.enrolled_by,
            "changed": log_in.changed,
        }
        storage.make_folder(self.path.parent)
        storage.write_json(self.path, everybody)

    def offer(self, machine: str, password: Secret) -> bool:
        """Keep a password that was offered, before anybody uses it; whether it is a new one."""
        log_in = self._known(machine)
        if password in (log_in.password, log_in.offered):
            return False
        self.keep(machine, replace(log_in, offered=password))
        return True

    def used(self, machine: str, password: Secret, now: float) -> bool:
        """A password has held: from now on it alone is known; whether that changes anything."""
        log_in = self._known(machine)
        if log_in.offered != password:
            return False
        self.keep(machine, replace(log_in, password=password, offered=None, changed=now))
        return True

    def _known(self, machine: str) -> AgentLogIn:
        log_in = self.of(machine)
        assert log_in is not None, "it has logged in"
        return log_in

    def _read(self) -> dict[str, Any]:
        members = storage.read_json(self.path)
        return members if isinstance(members, dict) else {}
