"""The process numbers of a node (pid_namespaces(7)), so that ``pkill`` in a node ends that node's processes.

Process 1 of the namespace is ``node_init``. When it ends, the kernel ends everything in the namespace, also
what has left its session and ignores SIGTERM. Numbers that this process knows (``Popen.pid``) stay those of
the surrounding namespace.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path

from lab.errors import KernelError
from lab.linux import node_init, syscalls
from lab.linux.process import PIPE, Popen, kill, spawn

_END_S = 10.0
"""For the processes of a node to end by SIGKILL; what the lab started itself has been waited for."""


class PidNamespace:
    """A namespace and its process 1. ``start`` runs in the node's thread, and so do all later ``spawn``."""

    def __init__(self, init: Popen[bytes]) -> None:
        self._init = init

    @classmethod
    def start(cls) -> PidNamespace:
        """From now on, what this thread starts has numbers of its own, and /proc here shows only those.

        The thread itself stays where it is, and cannot start other threads any more (clone(2)). Raises
        KernelError if the namespace cannot be made.
        """
        syscalls.unshare(syscalls.CLONE_NEWPID)
        init = spawn(node_init.argv(), stdout=PIPE, stderr=PIPE)
        assert init.stdout is not None
        assert init.stderr is not None
        with init.stdout as said, init.stderr as complaint:
            answer = said.read()
            if answer != b"\0":
                why = (
                    os.strerror(answer[0]) if answer else complaint.read().decode(errors="replace")
                )
                kill(init, _END_S)
                raise KernelError("mount /proc for", "a node's process 1", why.strip())
        return cls(init)

    @property
    def init(self) -> int:
        """The number of process 1, as this process knows it."""
        return self._init.pid

    def close(self, started: Iterable[Popen[bytes]] = ()) -> None:
        """End everything in it, also what this process has ``started`` there, and wait for all that.

        Process 1 ends last: not before this process has waited for every child that it has there.
        """
        self._init.send_signal(signal.SIGKILL)
        for popen in started:
            kill(popen, _END_S)
        kill(self._init, _END_S)


def processes_of(network: str) -> tuple[int, ...]:
    """The processes, but for this one, in the network namespace that a path leads to; none if it is gone."""
    try:
        wanted = Path(network).stat().st_ino
    except FileNotFoundError:
        return ()
    return by_network().get(wanted, ())


def by_network() -> dict[int, tuple[int, ...]]:
    """All processes but this one, by the number (st_ino) of their network namespace: a look for all nodes."""
    found: dict[int, tuple[int, ...]] = {}
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        if pid != os.getpid() and (network := _network_of(pid)):
            found[network] = (*found.get(network, ()), pid)
    return found


def numbers_of(pid: int) -> tuple[int, ...]:
    """The numbers of a process, here first and then in each namespace further in (proc(5), NSpid)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return ()
    found = next((line for line in lines if line.startswith("NSpid:")), "")
    return tuple(int(word) for word in found.split()[1:])


def _network_of(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
