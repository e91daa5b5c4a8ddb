"""Updates of the agent and of its tools (E-23; S0 "Data retrieved from IBM"): by TLS and with a log-in.

They are fetched and kept in the folder ``updates``; nobody installs them.
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

REASON = "update"
PATH = "/service/updates"
FOLDER = "updates"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


class Updates:
    """The updates that IBM lists, and those that are here."""

    def __init__(self, state: AgentState) -> None:
        self._state = state
        self.folder = state.file(FOLDER)

    def fetch(self, machine: Monitored, roads: Roads) -> list[str]:
        """Fetch what IBM lists and is not here; the names. Raises NotGiven: what was fetched is kept."""
        servers = self._state.directory.servers("updates")
        inquiry = Inquiry(self._state, roads)
        reply = inquiry.ask("updates", PATH, servers, machine=machine.name, take=_list)
        fetched = []
        for name, digest in sorted(reply.members["updates"].items()):
            if storage.has(self.folder / name, digest):
                continue

            def check(reply: ServiceReply, digest: str = digest) -> None:
                if (found := hashlib.sha256(reply.body).hexdigest()) != digest:
                    raise NotTaken(f"its SHA-256 is {found}, and the list has {digest}")

            path = f"{PATH}/{name}"
            given = inquiry.ask("update", path, servers, machine=machine.name, take=check)
            storage.make_folder(self.folder)
            storage.write_whole(self.folder / name, given.body)
            self._state.book.note("update-stored", name=name, sha256=digest, bytes=len(given.body))
            fetched.append(name)
        return fetched


def _list(reply: ServiceReply) -> None:
    updates = reply.members.get("updates")
    if not isinstance(updates, dict):
        raise NotTaken("the answer has no list of updates")
    for name, digest in updates.items():
        if not _NAME.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{64}", str(digest)):
            raise NotTaken(f"the list has an entry that makes no sense: {name[:40]!r}")
