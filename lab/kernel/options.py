"""The lab kernel's option list and patches: reading them, and what of them a source takes.

Nothing is built here; ``builder`` asks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

LIST = Path(__file__).with_name("options.config")
PATCHES = tuple(sorted(Path(__file__).with_name("patches").glob("*.patch")))
"""What we change in the source, in this order; each says why in its head."""

_SOME_SOURCES = "# Some sources only"
_BEFORE = re.compile(r"^Sources: before (\d+)\.(\d+)$", re.MULTILINE)
_DEFINED = re.compile(r"^\s*(?:menu)?config\s+(\w+)\s*$", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Options and their values; both ``CONFIG_X=n`` and ``# CONFIG_X is not set`` read as ``n``."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("CONFIG_"):
            name, _, value = line.partition("=")
            found[name] = value.strip()
        elif line.startswith("# CONFIG_") and line.endswith(" is not set"):
            found[line.split()[1]] = "n"
    return found


def of_some_sources(text: str) -> frozenset[str]:
    """The options of a list that not every source has."""
    paragraphs = (
        each for each in text.split("\n\n") if each.lstrip("\n").startswith(_SOME_SOURCES)
    )
    return frozenset(name for each in paragraphs for name in parse(each))


def absent(text: str, tree: Path) -> tuple[str, ...]:
    """The options of a list that this unpacked source has no name for, and need not have."""
    wanted = of_some_sources(text)
    if not wanted:
        return ()
    defined: set[str] = set()
    for path in tree.rglob("Kconfig*"):
        defined.update(_DEFINED.findall(path.read_text(errors="replace")))
    return tuple(sorted(name for name in wanted if name.removeprefix("CONFIG_") not in defined))


def lost(wanted: Mapping[str, str], config: str, absent: Collection[str] = ()) -> tuple[str, ...]:
    """The options that a finished configuration does not hold as they were asked for.

    Kconfig drops an option without a word when something that it depends on is not there. ``absent``
    are those that the source has no name for: these are not missed.
    """
    have = parse(config)
    return tuple(
        f"{name}={value}"
        for name, value in wanted.items()
        if name not in absent and have.get(name, "n") != value
    )


def patches_for(version: tuple[int, int]) -> tuple[Path, ...]:
    """The patches that a source of this version needs: all whose head does not end before it.

    A head may say ``Sources: before 6.13`` on a line of its own.
    """
    return tuple(patch for patch in PATCHES if version < _end_of(patch))


def _end_of(patch: Path) -> tuple[float, float]:
    head = patch.read_text().partition("\n--- ")[0]
    if (match := _BEFORE.search(head)) is None:
        return (float("inf"), 0)
    return int(match[1]), int(match[2])
