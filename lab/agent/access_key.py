"""The update access key of each machine (E-19): looked at regularly, and fetched before it expires."""

from __future__ import annotations

import time
from typing import Any

from lab.agent import storage
from lab.agent.inquiry import Inquiry, NotGiven, NotTaken
from lab.agent.roads import Roads
from lab.agent.session import ServiceReply
from lab.agent.settings import DAY_S, Monitored
from lab.agent.state import AgentState

FILE = "access-key.json"
PATH = "/service/access-key"
NEAR_S = 30 * DAY_S
"""A key that expires sooner is replaced."""


class AccessKeys:
    """The keys that the agent has, by machine: ``key`` and ``expires`` (seconds of the epoch)."""

    def __init__(self, state: AgentState) -> None:
        self._state = state
        self.path = state.file(FILE)

    def all(self) -> dict[str, dict[str, Any]]:
        members = storage.read_json(self.path)
        return members if isinstance(members, dict) else {}

    def is_near(self, machine: Monitored) -> bool:
        """Whether a machine has no key, or one that expires soon."""
        expires = self.all().get(machine.name, {}).get("expires")
        return not isinstance(expires, int | float) or expires - self._state.now() < NEAR_S

    def update(self, machine: Monitored, roads: Roads) -> bool:
        """Fetch a key if it is time; whether a new one was stored. Raises NotGiven: the old one is kept."""
        state = self._state
        if not self.is_near(machine):
            return False
        before = self.all()
        alert = f"access-key-{machine.name}"
        servers = state.directory.servers("access-key")
        try:
            reply = Inquiry(state, roads).ask(
                "access-key", PATH, servers, machine=machine.name, take=_check
            )
        except NotGiven as none:
            expires = before.get(machine.name, {}).get("expires")
            kept = "there is none"
            if isinstance(expires, int | float):
                end = time.strftime("%Y-%m-%d", time.gmtime(expires))
                kept = f"the old one is kept, and expires on {end}"
            state.alerts.sound(alert, f"{machine.name}: {none.message}; {kept}", none.hint)
            raise
        told = reply.members
        key = {"key": told["key"], "expires": told["expires"]}
        if key != before.get(machine.name):
            storage.write_json(self.path, {**before, machine.name: key})
            state.book.note("access-key-stored", machine=machine.name, expires=key["expires"])
        state.alerts.clear(alert)
        return key != before.get(machine.name)


def _check(reply: ServiceReply) -> None:
    key, expires = reply.members.get("key"), reply.members.get("expires")
    if not isinstance(key, str) or not key or isinstance(expires, bool):
        raise NotTaken("the answer has no access key")
    if not isinstance(expires, int | float):
        raise NotTaken("the answer does not say when the access key expires")
