"""Where things are on the host: the user's cache and the run directories."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lab.errors import UsageError


def cache_dir() -> Path:
    """The lab's folder in the user's cache (XDG Base Directory), not made yet perhaps."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "callhome-lab"


def new_run_dir(topology: str, out: Path | None) -> Path:
    """Make a fresh run directory: ``out``, or ``runs/<topology>-<time>`` here.

    Raises UsageError if it cannot be made or written, or is there already with something in it.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = out if out is not None else Path("runs") / f"{topology}-{stamp}"
    if out is None:
        number = 2
        while path.exists():
            path = Path("runs") / f"{topology}-{stamp}-{number}"
            number += 1

    hint = "name another with --out DIR"
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise UsageError(f"the run directory {path} is not empty", hint=hint)
        for name in ("wire", "logs"):
            (path / name).mkdir()
        (path / "keys").mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(
            f"the run directory {path} cannot be written: {error.strerror}", hint=hint
        ) from error
    return path.resolve()
