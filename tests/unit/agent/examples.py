"""Settings and reports to try things with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.agent.settings import AgentSettings, parse
from lab.agent.spool import Queued

MACHINE = {"type": "8284", "model": "22A", "serial": "21ABCDE"}
NAME = "8284-22A*21ABCDE"


def members(**more: Any) -> dict[str, Any]:
    """What the smallest configuration file says, and more."""
    return {"ca_file": "ca.pem", "machines": [MACHINE], **more}


def settings(folder: Path, **more: Any) -> AgentSettings:
    """Settings whose paths are relative to a folder."""
    return parse(members(**{"state": "state", **more}), folder / "agent.toml")


def report(name: str = "heartbeat-1", **more: Any) -> Queued:
    return Queued(**{"report": name, "kind": "heartbeat", "machine": NAME, **more})
