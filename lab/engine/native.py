"""The ``native`` engine: the same lab in the running kernel, as root, in namespaces of its own.

A process in a pid namespace of its own is the attendant; when it ends, however it ends, the kernel
kills everything that was started below it, and with the last process the namespaces go too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from lab import _linux
from lab.engine.attendant import Attendant
from lab.engine.channel import Channel
from lab.engine.frames import Kind, json_frame
from lab.errors import GuestError, PrerequisiteError


class Namespaces:
    """A running set of namespaces and the host's end of its channel."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid = pid
        self.channel = channel

    def death(self) -> GuestError:
        """What to raise when the channel broke off."""
        return GuestError("the process that held the lab was killed", hint="start the lab again")


@contextlib.contextmanager
def start(run_dir: Path) -> Iterator[Namespaces]:
    """Make the namespaces and their process 1; on leaving, end everything in them."""
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
        _keep(theirs.fileno())

    with contextlib.ExitStack() as stack:
        channel = stack.enter_context(Channel.over(ours))
        stack.callback(_end, keeper, channel)
        theirs.close()
        ours.sendall(json_frame(Kind.configure, 0, {"shared": [], "sys_path": []}).encode())
        yield Namespaces(keeper, channel)


def _keep(channel: int) -> None:
    """In the child: unshare, fork process 1, and wait for it. Never returns."""
    status = 1
    try:
        _linux.die_with_parent(signal.SIGKILL)
        os.setsid()
        _linux.unshare(
            _linux.CLONE_NEWPID
            | _linux.CLONE_NEWNS
            | _linux.CLONE_NEWNET
            | _linux.CLONE_NEWUTS
            | _linux.CLONE_NEWIPC
        )
        first = os.fork()
        if first == 0:
            _be_first(channel)
        os.close(channel)
        os.waitpid(first, 0)
        status = 0
    except OSError as error:
        _complain(error)
    finally:
        os._exit(status)


def _be_first(channel: int) -> None:
    """Process 1 of the pid namespace: its own mounts, then serve. Never returns."""
    try:
        # When the process that waits for us is killed, so are we, and the kernel ends all the rest.
        _linux.die_with_parent(signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _linux.mount("none", "/", "", _linux.MS_REC | _linux.MS_PRIVATE)
        _linux.mount("proc", "/proc", "proc")
        _linux.mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
        # A sysfs of this network namespace: the old one shows the host's links.
        with contextlib.suppress(OSError):
            _linux.mount("sysfs", "/sys", "sysfs")
        _linux.set_hostname("lab")
        Attendant(channel, _run_inside, lambda _layout: None).serve()
    except OSError as error:
        _complain(error)
    finally:
        os._exit(0)


def _complain(error: OSError) -> None:
    os.write(2, f"lab: the native engine cannot be set up here: {error}\n".encode())


def _run_inside(argv: list[str]) -> int:
    from lab.engine import inside

    return inside.main(argv)


def _end(keeper: int, channel: Channel) -> None:
    with contextlib.suppress(OSError):
        channel.end()
    os.waitpid(keeper, 0)
