"""Groups of this machine, as the attendant needs them: without NSS, and without an import that costs."""

from __future__ import annotations

import contextlib
import os

DIALOUT = "dialout"
"""Whose members may use serial ports, on Debian."""


def number_of(name: str, table: str = "/etc/group") -> int | None:
    """The number of a group (group(5)); None if there is no such group."""
    with contextlib.suppress(OSError), open(table, errors="replace") as file:
        for line in file:
            fields = line.split(":")
            if fields[0] == name and len(fields) > 2 and fields[2].isdigit():
                return int(fields[2])
    return None


def join_dialout() -> None:
    """Have root's programs be of the group of serial ports, too.

    cu(1), started by root, opens its port with the rights of the user uucp and with root's groups.
    """
    number = number_of(DIALOUT)
    # Without root's rights nobody is in need of it.
    with contextlib.suppress(PermissionError):
        os.setgroups([] if number is None else [number])
