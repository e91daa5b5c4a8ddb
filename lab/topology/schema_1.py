"""The former format of topology files: refused, with its ``path:`` written as ``ways:`` and ``agents:``."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml

from lab.errors import Issue, TopologyError
from lab.topology.strict_yaml import Document

MOVED = {"result_codes": "the exchange", "fence_ports": "the lig", "literal_replies": "the lig"}
"""Keys of ``path: dial:`` that are now keys of a node."""


def refuse(document: Document, source: str) -> None:
    """Raise TopologyError, if a file is of the former format, that says how it is written now."""
    path = document.data.get("path")
    if document.data.get("schema") != 1 or not isinstance(path, dict):
        return
    now = textwrap.indent(_rewritten(path), " " * 6)
    problem = f"the format is 2 now, and path: is written as ways: and agents:\n{now}"
    raise TopologyError(source, (Issue(document.line(("path",)), "path", problem),))


def _rewritten(path: dict[str, Any]) -> str:
    """What takes the place of ``schema: 1`` and ``path:``."""
    kind = path.get("kind", "direct")
    given = path.get("dial")
    dial = given if isinstance(given, dict) else {}
    agents = path.get("agents")
    name = "modem" if kind == "dial" else str(kind)

    way = {k: v for k, v in path.items() if k not in ("kind", "agents", "dial")}
    way |= {k: v for k, v in dial.items() if k not in MOVED}
    homeward = {str(agent): [name] for agent in (agents if isinstance(agents, list) else ["hmc"])}
    now = {"schema": 2, "ways": {name: {"kind": kind, **way}}, "agents": homeward}
    written = yaml.safe_dump(now, default_flow_style=None, sort_keys=False, width=1000)
    moved = [
        f"# and {yaml.safe_dump({key: dial[key]}).strip()} is a key of {owner} under nodes:"
        for key, owner in MOVED.items()
        if key in dial
    ]
    return "\n".join([written.strip(), *moved])
