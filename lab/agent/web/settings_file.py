"""Changes the agent's configuration file for a person, and leaves the rest of it as that person wrote it.

Comments, order and spaces stay (tomlkit). The file is checked as the agent reads it, then renamed into its
place: it is the old one or the new one, whatever happens.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.agent import storage
from lab.agent.settings import AgentSettings, SettingsError, parse

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


class NewWay:
    """A way of a list that is written: what it says, and where it stood before."""

    __slots__ = ("before", "members")

    def __init__(self, members: Mapping[str, str], before: int | None) -> None:
        """``before``: the place in the former list, from 0; its comments go along. None: it is new."""
        self.members = members
        self.before = before


def digest(path: Path) -> str:
    """SHA-256 of a configuration file; empty if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def written(path: Path) -> dict[str, Any]:
    """What a file says, as TOML has it; raises SettingsError."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except (OSError, ValueError) as error:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
        raise SettingsError(str(path), [f"it cannot be read: {error}"]) from error


def change(
    path: Path, values: Mapping[tuple[str, ...], Any], ways: Sequence[NewWay] | None = None
) -> AgentSettings:
    """Set keys, each a path of names such as ``("schedule", "heartbeat")``, and the ways unless None.

    A value that is None takes the key away; a table takes the place of the former one, key by key.

    Returns what the file says now. Raises SettingsError, with every mistake, and StorageError: then the file
    is as it was.
    """
    import tomlkit  # 60 ms, which nobody needs who only reads.

    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    for (*tables, name), value in values.items():
        place: Any = document
        for each in tables:
            place = place.setdefault(each, tomlkit.table())
        if value is None:
            place.pop(name, None)
        elif isinstance(value, dict):
            _set_table(place.setdefault(name, tomlkit.table()), value)
        else:
            place[name] = value
    if ways is not None:
        _set_ways(document, ways)
    text = tomlkit.dumps(document)
    settings = parse(tomllib.loads(text), path)
    _replace(path, text.encode())
    return settings


def _set_table(table: Any, members: Mapping[str, Any]) -> None:
    """Keep what says the same, with the comments there."""
    for key in [*table]:
        if key not in members:
            del table[key]
    for key, value in members.items():
        if table.get(key) != value:
            table[key] = value


def _set_ways(document: TOMLDocument, ways: Sequence[NewWay]) -> None:
    from tomlkit import aot, table

    former: Any = document.get("ways", [])
    fresh = aot()
    for way in ways:
        known = way.before is not None and way.before < len(former)
        place = former[way.before] if known else table()
        _set_table(place, way.members)
        fresh.append(place)
    document.pop("ways", None)
    if ways:
        document["ways"] = fresh


def _replace(path: Path, content: bytes) -> None:
    """Owner and rights stay those of the former file."""
    real = path.resolve()  # A link to the file stays one.
    former = real.stat()
    storage.write_whole(real, content)
    with contextlib.suppress(OSError):
        if (former.st_uid, former.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(real, former.st_uid, former.st_gid)
        real.chmod(former.st_mode & 0o7777)
