"""Where things are on the host that outlive a lab, the user's cache, and how a path is shown."""

from __future__ import annotations

import os
from pathlib import Path

CA_FILE = "ca.pem"
"""In a run directory: a copy of what is in ``keys``, where users other than the owner may read it."""
COMMANDS_FILE = "keys/commands.jsonl"
"""Users' commands in the nodes of a lab that is up, in its run directory; a proxy's password may be in it."""
NODE_PROGRAMS = "/run/lab/bin"
"""In a node: the lab's own commands for whoever works there, on everybody's PATH."""


def cache_dir() -> Path:
    """The lab's folder in the user's cache (XDG Base Directory), not made yet perhaps."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "callhome-lab"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it has all of the text or what it had before, whatever ends us; raises OSError."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def shown(path: Path) -> str:
    """A path as a user would type it from here: relative, unless that leads upwards."""
    relative = os.path.relpath(path)
    return os.fspath(path) if relative.startswith("..") else relative
