"""The former format of topology files: refused, with its ``path:`` written as ``ways:`` and ``agents:``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.errors import Issue, TopologyError
from lab.topology.strict_yaml import Document

MOVED = {"result_codes": "the exchange", "fence_ports": "the lig", "literal_replies": "the lig"}
"""Keys of ``path: dial:`` that are now keys of a node."""


def refuse(document: Document, source: str) -> None:
    """Raise TopologyError, if a file is of the former format, that says how it is written now."""
    path = document.data.get("path")
    if document.data.get("schema") != 1 or not isinstance(path, dict):
        return
    now = "\n".join(f"      {line}" for line in rewritten(path))
    problem = f"the format is 2 now, and path: is written as ways: and agents:\n{now}"
    raise TopologyError(source, (Issue(document.line(("path",)), "path", problem),))


def rewritten(path: dict[str, Any]) -> Iterator[str]:
    """The lines that take the place of ``schema: 1`` and ``path:``."""
    kind = path.get("kind", "direct")
    given = path.get("dial")
    dial = given if isinstance(given, dict) else {}
    moved = {key: dial[key] for key in MOVED if key in dial}
    rest = {k: v for k, v in path.items() if k not in ("kind", "agents", "dial")}
    rest |= {key: value for key, value in dial.items() if key not in moved}
    agents = path.get("agents")
    name = {"dial": "modem"}.get(kind, kind)

    yield "schema: 2"
    yield "ways:"
    yield f"  {name}: {_flow({'kind': kind, **rest})}"
    yield "agents:"
    for agent in agents if isinstance(agents, list) else ("hmc",):
        yield f"  {agent}: [{name}]"
    for key, value in moved.items():
        yield f"  # and {key}: {_flow(value)} is a key of {MOVED[key]} under nodes:"


def _flow(value: Any) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    # A number of the telephone is text, and looks like a number of YAML's.
    return f'"{value}"' if isinstance(value, str) and value[:1].isdigit() else str(value)
