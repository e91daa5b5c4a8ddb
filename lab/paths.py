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


def shown(path: Path) -> str:
    """A path as a user would type it from here: relative, unless that leads upwards."""
    relative = os.path.relpath(path)
    return os.fspath(path) if relative.startswith("..") else relative
