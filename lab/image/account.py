"""Who a command in an image is: USER of its configuration, by the image's own passwd(5) and group(5).

Read here and not by ``pwd``, which would ask the machine's services, from inside of a root that has none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError

PASSWD, GROUP = "/etc/passwd", "/etc/group"


@dataclass(frozen=True, slots=True)
class ImageAccount:
    """A user of an image."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    def assume(self) -> None:
        """Be that user, with no way back."""
        if self.uid == os.geteuid() and self.gid == os.getegid() and not self.groups:
            return
        os.setgroups(self.groups)
        os.setgid(self.gid)
        os.setuid(self.uid)


def of(user: str, image: str) -> ImageAccount:
    """The account that ``user`` or ``user:group`` names, each a name or a number; empty: root.

    Raises UsageError for a name that the image does not know; a number need not be known.
    """
    name, _, group = user.partition(":")
    name = name or "root"
    known = next((row for row in _rows(PASSWD, 6) if name in (row[0], row[2])), None)
    if known is not None:
        uid, gid, home, login = int(known[2]), int(known[3]), known[5] or "/", known[0]
    elif name.isdigit() or name == "root":
        uid, gid, login = int(name) if name.isdigit() else 0, 0, name
        home = "/root" if name == "root" else "/"
    else:
        raise _unknown("user", name, image, PASSWD)
    if group:
        return ImageAccount(uid, _gid(group, image), (), home)
    also = (int(row[2]) for row in _rows(GROUP, 4) if login in row[3].split(","))
    return ImageAccount(uid, gid, tuple(also), home)


def _gid(group: str, image: str) -> int:
    for row in _rows(GROUP, 3):
        if group in (row[0], row[2]):
            return int(row[2])
    if group.isdigit():
        return int(group)
    raise _unknown("group", group, image, GROUP)


def _unknown(kind: str, name: str, image: str, place: str) -> UsageError:
    return UsageError(
        f"there is no {kind} {name!r} in the image {image}",
        hint=f"the image is to run as {name}, and {place} in it does not know that {kind}",
    )


def _rows(path: str, least: int) -> Iterator[list[str]]:
    """The lines with their fields; none where there is no file."""
    try:
        lines = Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        row = line.split(":")
        if len(row) >= least and row[2].isdigit():
            yield row
