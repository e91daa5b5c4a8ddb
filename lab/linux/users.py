"""Users of a node, by its passwd(5) and group(5): without NSS, and without an import that costs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import UsageError


@dataclass(frozen=True, slots=True)
class LocalUser:
    """As whom a program runs."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    """Beside ``gid``, which may be among them (initgroups(3))."""
    home: str = "/"

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> LocalUser:
        """From what ``dataclasses.asdict`` made, perhaps by way of JSON."""
        return cls(**{**data, "groups": tuple(data["groups"])})

    @property
    def environment(self) -> dict[str, str]:
        """What login(1) tells a user's programs."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}

    def setpriv(self) -> list[str]:
        """A command line that becomes the user and then runs what is appended."""
        groups = ",".join(map(str, self.groups))
        return [
            "setpriv",
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            f"--groups={groups}" if groups else "--clear-groups",
            "--",
        ]


def find(wanted: str, root: str = "") -> LocalUser | None:
    """A user by name or number, as the files below ``root`` have it; None if they have no such name.

    A number that they do not have is a user all the same: without other groups than one of the same number.
    """
    for fields in _lines(f"{root}/etc/passwd", 7):
        if wanted in (fields[0], fields[2]):
            name, uid, gid, home = fields[0], int(fields[2]), int(fields[3]), fields[5]
            others = tuple(_groups_of(name, root))
            return LocalUser(name, uid, gid, tuple(dict.fromkeys((gid, *others))), home or "/")
    return LocalUser(wanted, int(wanted), int(wanted)) if _is_number(wanted) else None


def known_here(wanted: str) -> LocalUser | None:
    """The same as this machine knows it, by whatever its nsswitch.conf(5) names; for the host only."""
    import pwd

    try:
        entry = pwd.getpwuid(int(wanted)) if _is_number(wanted) else pwd.getpwnam(wanted)
    except KeyError:
        return find(wanted)
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return LocalUser(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir or "/")


def become(program: dict[str, Any], mounts: str) -> list[str]:
    """The command line that becomes the user whom a program wants; sets the user's environment.

    ``program["user"]``: whom it wants, and what the host knows of that user; ``mounts``: the link to the
    node's mount namespace. Raises OSError for a user whom neither knows; the fix is in the second line.
    """
    wanted, known = program["user"]["wanted"], program["user"]["known"]
    # The node's root, by the thread or process whose namespace it is.
    there = os.fspath(Path(mounts).readlink()).removesuffix("/ns/mnt")
    user = find(wanted, f"{there}/root")
    if user is None and known is not None:
        user = LocalUser.of(known)
    if user is None:
        problem = f"there is no user {wanted!r} in {program['node']}"
        raise OSError(errno.EINVAL, f"{problem}\n{fix(wanted)}")
    program["env"] |= user.environment
    return user.setpriv()


def check_known_here(wanted: str) -> LocalUser:
    """As ``known_here``; raises UsageError for a user that there is not."""
    user = known_here(wanted)
    if user is None:
        raise UsageError(f"there is no user {wanted!r} on this machine", hint=fix(wanted))
    return user


def fix(wanted: str) -> str:
    """What to do where there is no such user."""
    return (
        f"make one (useradd {wanted}), in a lab that is up by `lab exec NODE -- useradd {wanted}`; "
        "or give a number: --user 65534 needs no account"
    )


def _groups_of(name: str, root: str) -> Iterator[int]:
    for fields in _lines(f"{root}/etc/group", 4):
        if name in fields[3].split(","):
            yield int(fields[2])


def _lines(path: str, count: int) -> Iterator[list[str]]:
    """The lines that make sense, by their fields."""
    try:
        text = Path(path).read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == count and _is_number(fields[2]) and (count < 7 or _is_number(fields[3])):
            yield fields


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and int(word) < 2**32 - 1
