"""The lab kernel's option list and patches: reading it, and comparing it with a finished configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

LIST = Path(__file__).with_name("options.config")
PATCHES = tuple(sorted(Path(__file__).with_name("patches").glob("*.patch")))
"""What we change in the source, in this order; each says why in its head."""


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


def lost(wanted: Mapping[str, str], config: str) -> tuple[str, ...]:
    """The options that a finished configuration does not hold as they were asked for.

    Kconfig drops an option without a word when something that it depends on is not there.
    """
    have = parse(config)
    return tuple(
        f"{name}={value}" for name, value in wanted.items() if have.get(name, "n") != value
    )
