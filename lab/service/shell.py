"""A shell at the end of a telephone line: what the DS8000's terminal gives a representative who is let in.

A real shell at a real pseudo-terminal, so that line editing, job control and the hang-up are the kernel's:
when the line goes, the terminal goes, and with it everything that was started there. The session reaches the
console and nothing else (I-22): the shell runs in a network namespace without any interface, as a user
without rights, and in a process namespace of its own, which ends with the shell.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from pathlib import Path

from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.linux.worker import readable
from lab.wait import comes_true

PROMPT = "{host}> "
OWN_NETWORK = "cat /proc/net/dev"
"""A command that shows what interfaces a session has."""
USER, GROUP = 65_534, 65_534
"""Nobody: the panel is the customer's (I-01), and not to be had from a session."""
ROWS, COLUMNS = 24, 80
"""Of a VT100."""

ENVIRONMENT = {"TERM": "vt100", "HOME": "/", "HISTFILE": ""}
ARGV = (
    "unshare", "--pid", "--fork", "--kill-child", "--",
    "setsid", "--ctty",
    "unshare", "--net", "--mount", "--mount-proc", "--",
    "setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups", "--no-new-privs",
    "--bounding-set=-all", "--inh-caps=-all", "--pdeathsig=KILL", "--",
    "/bin/sh", "-i",
)  # fmt: skip
"""In this order: the first program stays in the node, and takes the others with it when it ends. The second
gives the terminal to a session of the process namespace's own, where job control can name all processes."""
ON_TERMINAL = 'exec 0<>"$0" 1>&0 2>&1 && exec "$@"'
"""For a shell without a terminal, which gets the one that is the first word after it (termios(3))."""

GRACE_S = 2.0
CHUNK_BYTES = 4096
"""At most so much is under way in either direction."""
MAY_END_WITH = range(-64, 256)
"""A shell's exit status is that of the last command, and tells nothing of the lab."""


class Ending(StrEnum):
    """Why a session at a terminal ended."""

    left = auto()
    """The shell ended: the representative has said so."""
    line_gone = auto()
    told = auto()
    """The customer ended it, or the session that the line was in is over."""


@dataclass(slots=True)
class Shell:
    """A shell at work, and our end of its terminal."""

    daemon: Daemon
    master: int
    left: int = 0
    """Processes of the session that were there when it had ended: known at the end of the context."""


@contextlib.contextmanager
def start_shell(node: Node) -> Iterator[Shell]:
    """A shell in a node; at the end of the context its terminal is hung up, and all of it has ended."""
    with contextlib.ExitStack() as undo:
        master, end, place = node.call(_open_terminal)
        undo.callback(os.close, end)
        closing = undo.enter_context(contextlib.ExitStack())
        closing.callback(os.close, master)
        argv = ["/bin/sh", "-c", ON_TERMINAL, place, *ARGV]
        env = {**ENVIRONMENT, "PS1": PROMPT.format(host=node.name)}
        daemon = node.spawn(argv, name="terminal", env=env, may_end_with=MAY_END_WITH)
        shell = Shell(daemon, master)
        undo.callback(_end, node, shell, closing)
        yield shell


def _open_terminal() -> tuple[int, int, str]:
    master, end = os.openpty()
    try:
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
        os.set_blocking(master, False)
        place = os.ttyname(end)
        os.chown(place, USER, GROUP)
        os.fchmod(end, 0o600)
    except BaseException:
        os.close(master)
        os.close(end)
        raise
    return master, end, place


def _end(node: Node, shell: Shell, closing: contextlib.ExitStack) -> None:
    namespace = _namespace_of(f"/proc/{shell.daemon.pid}/ns/pid_for_children")
    closing.close()
    # A program may have chosen not to hear of the hang-up (nohup(1)).
    if shell.daemon.wait(GRACE_S) is None:
        shell.daemon.kill()
    node.stop(shell.daemon)
    if namespace not in (0, _namespace_of("/proc/self/ns/pid")):
        comes_true("the session's programs have ended", lambda: not _living(namespace), GRACE_S)
        shell.left = _living(namespace)


def _living(namespace: int) -> int:
    """How many processes are in a process namespace."""
    pids = (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return sum(_namespace_of(f"/proc/{pid}/ns/pid") == namespace for pid in pids)


def _namespace_of(path: str) -> int:
    """The inode of a namespace; 0 if there is none, or no process."""
    try:
        return Path(path).stat().st_ino
    except OSError:
        return 0


def carry(port: int, shell: int, ended: int, told: int, first: bytes = b"") -> Ending:
    """Bytes between a line and a shell's terminal, both not blocking, until one of them goes.

    ``ended`` is readable when the shell has ended, ``told`` when the session is to; ``first`` came from the
    line already. Holds ``CHUNK_BYTES`` at most in each direction: who does not read is not read from.
    """
    to_shell, to_line = bytearray(first), bytearray()
    while True:
        poller = readable(told)
        poller.register(port, _wanted(reads=not to_shell, writes=bool(to_line)))
        poller.register(shell, _wanted(reads=not to_line, writes=bool(to_shell)))
        # What the shell said last is to come through before it has ended.
        if not to_line:
            poller.register(ended, select.POLLIN)
        ready = dict(poller.poll())
        if told in ready:
            return Ending.told
        if port in ready and not _move(port, ready[port], to_shell, to_line):
            return Ending.line_gone
        if shell in ready and not _move(shell, ready[shell], to_line, to_shell):
            return Ending.left
        if ended in ready and shell not in ready:
            return Ending.left


def _wanted(*, reads: bool, writes: bool) -> int:
    return select.POLLIN * reads | select.POLLOUT * writes


def _move(descriptor: int, news: int, received: bytearray, to_send: bytearray) -> bool:
    """Write what is to be sent, and read if there is room; whether the other end is still there."""
    if news & (select.POLLHUP | select.POLLERR) and not news & select.POLLIN:
        return False
    try:
        if to_send:
            with contextlib.suppress(BlockingIOError):
                del to_send[: os.write(descriptor, to_send)]
        if not received:
            with contextlib.suppress(BlockingIOError):
                received += (data := os.read(descriptor, CHUNK_BYTES))
                return bool(data)
    except OSError:
        return False
    return True
