"""Processes in the nodes that are a user's: what commands of ``lab run`` and ``lab exec`` left running.

The lab's own are its daemons, what these started, and what the lab's process waits for.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.linux import process_table
from lab.linux.nodes import Node
from lab.linux.pid_namespace import by_network, numbers_of
from lab.linux.process_table import Process
from lab.record.command_event import LeftRunning

GRACE_S = 5.0
"""From SIGTERM to SIGKILL."""
MOST_ROUNDS = 10
"""Against a program that starts others for ever; what is there then is g6's to tell."""
SHOWN_CHARACTERS = 80
"""Of a command line."""


def end(nodes: Iterable[Node]) -> list[LeftRunning]:
    """End what users' commands left running in these nodes, and return what that was."""
    nodes = tuple(nodes)
    found = later = _find(nodes)
    # One that is deaf to SIGTERM may go on starting others until it is killed.
    for _ in range(MOST_ROUNDS):
        if not later:
            break
        _stop(later)
        later = _find(nodes)
    return list(found.values())


def _find(nodes: tuple[Node, ...]) -> dict[int, LeftRunning]:
    """What users' commands left running, by the numbers that this process knows."""
    processes = by_network()
    inside = {pid: node.name for node in nodes for pid in node.strays_among(processes)}
    if not inside:
        return {}

    table = process_table.take()
    inits = {node.init for node in nodes}
    daemons = {daemon.pid for node in nodes for daemon in node.daemons}
    return {
        pid: LeftRunning(
            source=node,
            pid=(numbers_of(pid) or (pid,))[-1],
            program=table[pid].program,
            command_line=_command_line(pid) or table[pid].program,
        )
        for pid, node in sorted(inside.items())
        if pid in table and not _is_labs(pid, table, daemons, inits)
    }


def _is_labs(pid: int, table: Mapping[int, Process], daemons: set[int], inits: set[int]) -> bool:
    """Whether a daemon of the lab's, or the lab's own process, has started it.

    A node's process 1 has started nothing, and is the parent of all orphans.
    """
    if table[pid].session in daemons:
        return True
    above = pid
    while above in table and above not in inits:
        if above in daemons or above == os.getpid():
            return True
        above = table[above].parent
    return False


def _stop(pids: Iterable[int]) -> None:
    """By SIGTERM, and after a while by SIGKILL, in their order. No child of ours: who started it reaps it.

    A shell comes before the program that it waits for: else it would go on with its next command.
    """
    handles = {}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handles[os.pidfd_open(pid)] = pid
    try:
        waiting = [*handles]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for handle in waiting:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, number)
                    # Who was stopped hears nothing else but SIGKILL.
                    signal.pidfd_send_signal(handle, signal.SIGCONT)
            gone = _ended(waiting)
            waiting = [handle for handle in waiting if handle not in gone]
    finally:
        for handle in handles:
            os.close(handle)


def _ended(handles: Iterable[int]) -> set[int]:
    """Those that end within the time, each of which has all of it."""
    gone = set()
    for handle in handles:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        if poller.poll(GRACE_S * 1000):
            gone.add(handle)
    return gone


def _command_line(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return ""
    line = " ".join(word.decode(errors="replace") for word in words)
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."
