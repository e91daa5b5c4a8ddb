"""Fixes: which there are, by TLS and with a log-in; each itself anonymously, by HTTP (OUT-41, OUT-42).

A fix is kept only if it has the SHA-256 that was said by TLS.
"""

from __future__ import annotations

import hashlib
import re

from lab.agent import storage
from lab.agent.inquiry import Inquiry, NotTaken
from lab.agent.roads import Roads
from lab.agent.session import ServiceReply
from lab.agent.settings import Monitored
from lab.agent.state import AgentState
from lab.errors import PathError

LIST = "/service/fixes"
FOLDER = "fixes"
WANTED = "fixes-wanted.json"
"""The machines for which somebody wants the fixes, until the agent has them."""
_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}/){0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
"""ORDER/NAME: no part begins with a dot."""


class Fixes:
    """The fixes of an agent's machines, in the folder ``fixes``."""

    def __init__(self, state: AgentState) -> None:
        self._state = state
        self.folder = state.file(FOLDER)

    def offered(self, machine: Monitored, roads: Roads) -> dict[str, str]:
        """ORDER/NAME to SHA-256; raises NotGiven, and PathError if the machine is not enrolled."""
        state = self._state
        if state.credentials.of(machine.name) is None:
            raise PathError(
                f"{machine.name} is not enrolled, so it asks for no fix (OUT-42)",
                hint="`lab agent enrol` says why that has not worked",
            )
        servers = state.directory.servers("fixes")
        reply = Inquiry(state, roads).ask("fixes", LIST, servers, machine=machine.name, take=_list)
        return {str(path): str(digest) for path, digest in reply.members["fixes"].items()}

    def want(self, machine: Monitored) -> None:
        """Have the service fetch all fixes that IBM lists for a machine; raises StorageError."""
        storage.make_folder(self._state.folder)
        storage.write_json(self._state.file(WANTED), sorted({*self.wanted, machine.name}))

    @property
    def wanted(self) -> list[str]:
        """The names of machines for which that has not been done."""
        members = storage.read_json(self._state.file(WANTED))
        return [str(name) for name in members] if isinstance(members, list) else []

    def fetch_wanted(self, roads: Roads) -> None:
        """Fetch what is wanted and is not here; raises NotGiven and PathError, and the rest stays wanted."""
        for name in self.wanted:
            for machine in self._state.settings.machines:
                if machine.name == name:
                    for path, digest in self.offered(machine, roads).items():
                        if not storage.has(self.folder / path.rpartition("/")[2], digest):
                            self.fetch(path, digest, roads)
            storage.write_json(self._state.file(WANTED), [n for n in self.wanted if n != name])

    def fetch(self, path: str, digest: str, roads: Roads) -> bytes:
        """One fix, without a log-in and without the machine's name; raises NotGiven."""

        def check(reply: ServiceReply) -> None:
            found = hashlib.sha256(reply.body).hexdigest()
            if found != digest:
                raise NotTaken(f"its SHA-256 is {found}, and IBM said {digest} by TLS")

        state = self._state
        servers = state.directory.servers("fix")
        reply = Inquiry(state, roads).ask("fix", f"{LIST}/{path}", servers, take=check)
        storage.make_folder(self.folder)
        name = path.rpartition("/")[2]
        storage.write_whole(self.folder / name, reply.body)
        state.book.note("fix-stored", name=name, sha256=digest, bytes=len(reply.body))
        return reply.body


def _list(reply: ServiceReply) -> None:
    fixes = reply.members.get("fixes")
    if not isinstance(fixes, dict):
        raise NotTaken("the answer has no list of fixes")
    for path, digest in fixes.items():
        if not _NAME.fullmatch(path) or not re.fullmatch(r"[0-9a-f]{64}", str(digest)):
            raise NotTaken(f"the list has an entry that makes no sense: {path[:40]!r}")
