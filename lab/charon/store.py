"""Which charon of this machine knows IKEv1: the installed one, or else one in the user's cache.

A charon of the lab's own lies in ``<cache>/charon/<key>/`` as unpacked from the distribution's packages,
beside ``facts.json``. Nothing of it is ever installed: nodes see it in the place of the installed one.
"""

from __future__ import annotations

import json
import mmap
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.linux import syscalls
from lab.paths import cache_dir

PROGRAM = "/usr/sbin/charon-systemd"
LIBRARIES = "/usr/lib/ipsec"
"""Where the distribution has strongSwan's libraries and plugins: the path is compiled into them."""

COVERED = (LIBRARIES, PROGRAM, "/usr/sbin/swanctl")
"""What of the installed strongSwan gives way to the lab's own in a node; all of one version."""

LIBRARY = "libcharon.so.0"
FETCH = "lab charon fetch"

# The function that makes the engine of an IKEv1 SA. strongSwan's configure leaves out all of
# IKEv1 or nothing, and where this function is left out, its only caller says "IKE version 1 not
# supported". Its name stands in the library's symbol table, which a daemon cannot do without: so
# the file tells the same as a charon that is started and asked, and in a thousandth of the time.
# Seen in 5.9.8 and 6.0.1, which speak IKEv1, and missing in 6.1.0, which does not.
_IKEV1 = b"\0task_manager_v1_create\0"

INSTALLED = Path("/")

HIDDEN = ("/dev", "/proc", "/run", "/sys")
"""A lab has its own of these."""


@dataclass(frozen=True, slots=True)
class CharonStatus:
    """The charon to run, if one knows IKEv1, and why it is that one or none."""

    path: Path | None
    """Its program, wherever that lies."""
    own: Path | None
    """The lab's own tree, if that is to be used."""
    why: str
    facts: dict[str, Any] = field(default_factory=dict)
    """Of the lab's own: version, suite, packages."""
    hint: str = ""
    """What to do where a charon is installed and none knows IKEv1."""

    @property
    def can_fetch(self) -> bool:
        """Whether ``fetcher.fetch`` is what is needed."""
        return self.hint == FETCH


def folder() -> Path:
    """Where the lab's own charons lie."""
    return cache_dir() / "charon"


def knows_ikev1(tree: Path) -> bool:
    """Whether the strongSwan that is unpacked or installed in a tree was built with IKEv1."""
    try:
        with (
            (tree / LIBRARIES[1:] / LIBRARY).open("rb") as file,
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content,
        ):
            return content.find(_IKEV1) >= 0
    except (OSError, ValueError):  # ValueError: an empty file.
        return False


def status(installed: Path = INSTALLED) -> CharonStatus:
    """The installed charon if it knows IKEv1, else the newest of the lab's own."""
    program = installed / PROGRAM[1:]
    if not program.exists():
        return CharonStatus(None, None, "no charon is installed")
    if knows_ikev1(installed):
        return CharonStatus(program, None, "the installed charon knows IKEv1")

    lacking = "the installed charon was built without IKEv1"
    if any(folder().resolve().is_relative_to(place) for place in HIDDEN):
        why = f"{lacking}, and {folder()} is out of sight in a lab"
        return CharonStatus(None, None, why, hint="set XDG_CACHE_HOME to a folder on a disk")
    for tree, facts in kept():
        return CharonStatus(tree / PROGRAM[1:], tree, f"the lab's own, as {lacking}", facts)
    return CharonStatus(None, None, lacking, hint=FETCH)


def kept() -> list[tuple[Path, dict[str, Any]]]:
    """Every whole charon of the lab's own and its facts, newest first."""
    places = [(place, _facts(place)) for place in folder().glob("[0-9a-f]*") if place.is_dir()]
    known = [(place, facts) for place, facts in places if facts is not None]
    return sorted(known, key=lambda item: float(item[1].get("fetched", 0)), reverse=True)


def cover(tree: Path) -> None:
    """Put a tree in the place of the installed strongSwan, in the caller's mount namespace."""
    for place in COVERED:
        source = tree / place[1:]
        if source.exists() and Path(place).exists():
            syscalls.mount(os.fspath(source), place, "", syscalls.MS_BIND)


def _facts(place: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads((place / "facts.json").read_text())
    except (OSError, ValueError):
        return None
    whole = (place / PROGRAM[1:]).exists() and knows_ikev1(place)
    return facts if whole else None
