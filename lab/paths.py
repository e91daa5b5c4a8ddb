"""Where things are on the host that outlive a lab: the user's cache."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The lab's folder in the user's cache (XDG Base Directory), not made yet perhaps."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "callhome-lab"
