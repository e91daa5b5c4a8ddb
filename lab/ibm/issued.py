"""What the authority has issued, kept in the user's cache: to make RSA keys takes a tenth of a run.

An entry is for certain names and certain keys, and is used by every run that asks for the same. No entry has
the authority's own key. Nothing depends on the cache: where it cannot be read or written, all is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from lab.paths import cache_dir

VERSION = 2
"""Of what is issued: raise it when certificates for the same names are to have something else in them."""
MOST_ENTRIES = 64

Files = dict[str, str]
"""Names of files in the run's ``keys``, and what is in them (PEM)."""


def folder() -> Path:
    """Where entries are; perhaps not made yet."""
    return cache_dir() / "certificates"


def find(wanted: Mapping[str, object]) -> Files | None:
    """The files that were issued for the same; None if there are none, or they are not the user's alone."""
    path = _path(wanted)
    try:
        with path.open(encoding="utf-8") as file:
            about = os.fstat(file.fileno())
            if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
                return None
            entry = json.load(file)
        # JSON that was cut short cannot be read, so that what can be read is whole.
        files = {str(name): str(text) for name, text in entry["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return files if entry["wanted"] == _plain(wanted) else None


def keep(wanted: Mapping[str, object], files: Files) -> None:
    """Keep them for the next run; the oldest entries go where there are too many."""
    path = _path(wanted)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    entry = json.dumps({"wanted": _plain(wanted), "files": files})
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_uid != os.geteuid():
            return
        try:
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
            ) as file:
                file.write(entry)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        _prune(path.parent)


def _prune(where: Path) -> None:
    """Another run may remove the same entries at the same time."""
    kept = sorted(where.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in kept[MOST_ENTRIES:]:
        old.unlink(missing_ok=True)


def _path(wanted: Mapping[str, object]) -> Path:
    text = json.dumps(_plain(wanted), sort_keys=True)
    return folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def _plain(wanted: Mapping[str, object]) -> object:
    """As JSON reads it back: lists in the place of tuples."""
    return json.loads(json.dumps({"version": VERSION, **wanted}))
