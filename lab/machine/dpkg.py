"""What is absent or broken of the lab's packages, by their proofs, dpkg's states and dpkg's lists of files.

Only looks; without dpkg the proofs decide alone.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab.linux import process
from lab.machine.packages import Package

INFO = Path("/var/lib/dpkg/info")

_DEADLINE_S = 60.0
_FORMAT = "${db:Status-Abbrev}\t${Package}\t${binary:Package}\n"
# Programs and libraries: documentation may be left out on purpose (dpkg's path-exclude).
_PROGRAM = re.compile(r"^(?:/usr)?/(?:s?bin|lib)/.*", re.MULTILINE)


def faulty(wanted: Iterable[Package]) -> tuple[str, ...]:
    """The names of those that are absent, half installed, or have lost a program or a library."""
    wanted = tuple(wanted)
    absent = {package.name for package in wanted if package.found() is None}
    broken = _broken([package.dpkg_name() for package in wanted if package.name not in absent])
    return tuple(
        package.name
        for package in wanted
        if package.name in absent or package.dpkg_name() in broken
    )


def _broken(names: Sequence[str]) -> set[str]:
    found = set()
    for state, name, binary in _states(names):
        if state == "ii":
            if lost_files(INFO / f"{binary}.list"):
                found.add(name)
        elif not state.startswith("u"):  # Not installed by dpkg: then its files decide.
            found.add(name)
    return found


def _states(names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Of each package that dpkg knows: its state (``ii``: installed), its name, and its list's name."""
    if not names or shutil.which("dpkg-query") is None:
        return []
    # A name that it does not know is no failure of the question.
    answer = process.run(
        ["sh", "-c", 'dpkg-query -W -f "$@" 2>/dev/null || true', "sh", _FORMAT, *names],
        deadline_s=_DEADLINE_S,
    )
    rows = (line.split("\t") for line in answer.splitlines())
    return [(state.strip()[:2], name, binary) for state, name, binary in rows]


def files_of(wanted: Iterable[Package]) -> list[str]:
    """Everything by which ``faulty`` tells that these are whole: proofs, programs and libraries."""
    wanted = tuple(wanted)
    proofs = [proof for package in wanted if (proof := package.found()) is not None]
    lists = [INFO / f"{binary}.list" for _, _, binary in _states([p.dpkg_name() for p in wanted])]
    return [*proofs, *(path for each in lists for path in _PROGRAM.findall(_text(each)))]


def lost_files(list_of_files: Path) -> list[str]:
    """The programs and libraries of dpkg's list that are not there."""
    if not (text := _text(list_of_files)):
        return [os.fspath(list_of_files)]
    return [path for path in _PROGRAM.findall(text) if not os.path.lexists(path)]


def _text(list_of_files: Path) -> str:
    try:
        return list_of_files.read_text(errors="replace")
    except OSError:
        return ""
