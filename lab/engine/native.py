"""The ``native`` engine: the same lab in the running kernel, as root, in namespaces of its own.

The attendant is process 1 of a pid namespace. When it ends, however it ends, the kernel kills everything
that was started below it. Nothing pins the namespaces: they end with the last process in them. On the host,
``ps`` shows the lab's own processes by the names below, and every program that the lab starts has ``LAB_ID``
in its environment (``host.environment``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType

from lab.container import doors
from lab.container.proc_entry import ProcEntry
from lab.engine.attendant import Attendant
from lab.engine.channel import Channel
from lab.engine.frames import FrameKind, json_frame
from lab.errors import GuestError, PrerequisiteError
from lab.linux import syscalls

KEEPER = "lab-keeper"
"""The process that waits for process 1; what ``ps`` calls it."""
NO_CONTAINERS: Mapping[str, ProcEntry] = MappingProxyType({})
FIRST = "lab-first"
"""Process 1 of the lab's pid namespace."""


def death() -> GuestError:
    """What to raise when the channel broke off."""
    return GuestError("the process that held the lab was killed", hint="start the lab again")


@contextlib.contextmanager
def start(hold: int, containers: Mapping[str, ProcEntry] = NO_CONTAINERS) -> Iterator[Channel]:
    """Make the namespaces and their process 1; on leaving, end everything in them.

    ``hold`` is the descriptor that marks the run directory as in use: process 1 keeps it, too. ``containers``
    has the first processes of those that are nodes, by the node's name.
    """
    if os.geteuid() != 0:
        raise PrerequisiteError(
            "the native engine needs root", hint="run with sudo, or use --engine uml"
        )

    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    keeper = os.fork()
    if keeper == 0:
        ours.close()
        _keep(theirs.fileno(), hold, containers)

    with contextlib.ExitStack() as stack:
        stack.enter_context(ours)
        channel = Channel(ours, ours)
        stack.callback(_end, keeper, channel)
        theirs.close()
        channel.sendall(json_frame(FrameKind.configure, 0, {"shared": [], "sys_path": []}).encode())
        yield channel


def of_root(proc: str = "/proc", root: int = 0) -> int:
    """How many native labs are here that are root's and not ours, by what everybody may see."""
    if os.geteuid() == root:
        return 0
    count = 0
    for name in filter(str.isdigit, os.listdir(proc)):
        # Most will have another name, and some will be gone.
        with contextlib.suppress(OSError), open(f"{proc}/{name}/comm") as file:
            count += file.read().strip() == KEEPER and os.stat(f"{proc}/{name}").st_uid == root
    return count


def _keep(channel: int, hold: int, containers: Mapping[str, ProcEntry]) -> None:
    """In the child: unshare, fork process 1, and wait for it. Never returns."""
    status = 1
    outside = os.getppid()
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        syscalls.set_name(KEEPER)
        os.setsid()
        _let_go(channel, hold)
        syscalls.unshare(
            syscalls.CLONE_NEWPID
            | syscalls.CLONE_NEWNS
            | syscalls.CLONE_NEWNET
            | syscalls.CLONE_NEWUTS
            | syscalls.CLONE_NEWIPC
        )
        first = os.fork()
        if first == 0:
            _be_first(channel, partial(doors.lay, containers, outside))
        os.close(channel)
        mute()
        os.waitpid(first, 0)
        status = 0
    except OSError as error:
        _complain(error)
    finally:
        os._exit(status)


def _be_first(channel: int, lay_doors: Callable[[], None]) -> None:
    """Process 1 of the pid namespace: its own mounts, then serve. Never returns."""
    try:
        # When the process that waits for us is killed, so are we, and the kernel ends all the rest.
        syscalls.die_with_parent(signal.SIGKILL)
        syscalls.set_name(FIRST)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
        # While /proc is the surrounding one.
        lay_doors()
        syscalls.mount("proc", "/proc", "proc")
        # A sysfs of this network namespace: the old one shows the host's links.
        with contextlib.suppress(OSError):
            syscalls.mount("sysfs", "/sys", "sysfs")
        # What a security module forbids is to be seen inside, too (``apparmor``).
        with contextlib.suppress(OSError):
            syscalls.mount("securityfs", "/sys/kernel/security", "securityfs")
        syscalls.set_hostname("lab")
        mute()
        Attendant(channel, lambda _layout: None).serve()
    except OSError as error:
        _complain(error)
    finally:
        os._exit(0)


def _let_go(*kept: int) -> None:
    """Close all inherited descriptors but ``kept`` and the standard streams: a supervisor's socket, say."""
    for name in os.listdir("/proc/self/fd"):
        if (fd := int(name)) > 2 and fd not in kept:
            with contextlib.suppress(OSError):
                os.close(fd)


def mute() -> None:
    """Let go of the standard streams: a reader of a pipe from the command must not wait for the lab's end."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _complain(error: OSError) -> None:
    os.write(2, f"lab: the native engine cannot be set up here: {error}\n".encode())


def _end(keeper: int, channel: Channel) -> None:
    with contextlib.suppress(OSError):
        channel.end()
    os.waitpid(keeper, 0)
