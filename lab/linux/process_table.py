"""Every process that this one can see, with its parent, as ``ps`` reads them from /proc (proc(5))."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One line of ``ps``."""

    pid: int
    parent: int
    group: int
    session: int
    program: str
    ended: bool
    """Whether it only waits for its parent to reap it."""


def take() -> dict[int, Process]:
    """The processes of this moment, by their numbers."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                process = parse((entry / "stat").read_text())
                found[process.pid] = process
    return found


def parse(stat: str) -> Process:
    """What a ``stat`` of proc(5) says; a program's name may have blanks and brackets in it."""
    head, _, tail = stat.rpartition(")")
    pid, _, program = head.partition(" (")
    state, parent, group, session, *_ = tail.split()
    return Process(int(pid), int(parent), int(group), int(session), program, state in "ZX")
