"""What is known of an agent, from its state folder: for ``lab agent status`` and the local interface."""

from __future__ import annotations

from typing import Any

from lab.agent.access_key import AccessKeys
from lab.agent.book import lines
from lab.agent.spool import DAMAGED, REFUSED
from lab.agent.state import AgentState


def status(state: AgentState) -> dict[str, Any]:
    """A JSON object; no password is in it."""
    settings = state.settings
    log_ins = {machine.name: state.credentials.of(machine.name) for machine in settings.machines}
    last: dict[str, dict[str, Any]] = {}
    for entry in lines(state.book.path):
        if entry.get("event") == "acknowledged":
            last[str(entry.get("kind"))] = {
                key: entry.get(key, "") for key in ("time", "transaction", "server", "way")
            }
    return {
        "activated": state.activated,
        "generation": settings.generation,
        "machines": {
            name: {
                "enrolled": log_in is not None,
                "id": log_in.id if log_in else "",
                "password_changed": log_in.changed if log_in else 0.0,
            }
            for name, log_in in log_ins.items()
        },
        "queued": len(state.spool),
        "refused": state.spool.aside(REFUSED),
        "damaged": state.spool.aside(DAMAGED),
        "last": last,
        "problems": state.problems.all(),
        "configuration": state.directory.stored().get("version", 0),
        "access_keys": {
            name: {"expires": each.get("expires")} for name, each in AccessKeys(state).all().items()
        },
        "alerts": state.alerts.all(),
    }
