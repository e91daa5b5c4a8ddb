"""Where things are on the host: the user's cache and the run directories."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lab.errors import UsageError

_HINT = "name another with --out DIR"


def cache_dir() -> Path:
    """The lab's folder in the user's cache (XDG Base Directory), not made yet perhaps."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "callhome-lab"


def new_run_dir(topology: str, out: Path | None) -> Path:
    """Make a fresh run directory: ``out``, or ``runs/<topology>-<time>`` here.

    Raises UsageError if it cannot be made or written, or is there already with something in it.
    """
    path = fresh_dir(topology, out)
    try:
        for name in ("wire", "logs"):
            (path / name).mkdir()
        (path / "keys").mkdir(mode=0o700)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def fresh_dir(name: str, out: Path | None) -> Path:
    """Make an empty directory for results: ``out``, or ``runs/<name>-<time>`` here; the same errors."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = out if out is not None else Path("runs") / f"{name}-{stamp}"
    if out is None:
        number = 2
        while path.exists():
            path = Path("runs") / f"{name}-{stamp}-{number}"
            number += 1

    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise UsageError(f"the run directory {path} is not empty", hint=_HINT)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path.resolve()


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"the run directory {path} cannot be written: {error.strerror}", hint=_HINT)
