"""How the pppd of a call tells whoever took the call what has become of it: two scripts and named pipes.

pppd waits for ``ip-pre-up`` before it puts its interface up (pppd(8) SCRIPTS), and that script waits
for our answer; so a fence or a lock-down stands before the first packet of the call. The scripts start no
programs: a shell and what is built into it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.linux.worker import readable

DIRECTORY = "/run/calls"
HANG_UP_S = 10.0
"""pppd asks twice, three seconds each, for the peer's leave to end (RFC 1661 4.6)."""

NUMBER = "LAB_CALL"
"""The call's number in the environment of its scripts."""

PRE_UP = f"""\
#!/bin/sh
# What is to hold back packets must stand before the IP link is up.
echo "asks $IFNAME $IPREMOTE $PEERNAME" >{DIRECTORY}/notices-${NUMBER}
read -r _ <{DIRECTORY}/answer-${NUMBER}
"""
UP = f"""\
#!/bin/sh
echo "up $IFNAME $IPREMOTE $PEERNAME" >{DIRECTORY}/notices-${NUMBER}
"""
SCRIPTS = {"/etc/ppp/ip-pre-up": PRE_UP, "/etc/ppp/ip-up": UP}


@dataclass(frozen=True, slots=True)
class Notice:
    """A line from a script."""

    asks: bool
    """Whether it waits for an answer."""
    interface: str
    address: str
    user: str


def install_scripts(node: Node) -> None:
    """Write the scripts, for all calls of the node."""
    for path, text in SCRIPTS.items():
        node.write(path, text, 0o700)


@contextlib.contextmanager
def start_notices(node: Node, number: int) -> Iterator[Notices]:
    """Be ready for a call's scripts; a script that waits at the end of the context waits no longer."""
    with contextlib.ExitStack() as pipes:
        yield Notices(*(pipes.enter_context(_pipe(node, kind, number)) for kind in Notices.KINDS))


class Notices:
    """The pipe on which a call's scripts write, and the one on which they are answered."""

    KINDS = ("notices", "answer")

    def __init__(self, pipe: int, answers: int) -> None:
        self._pipe = pipe
        self._answers = answers
        self._partial = b""

    def fileno(self) -> int:
        return self._pipe

    def read(self) -> Iterator[Notice]:
        try:
            data = self._partial + os.read(self._pipe, 1 << 16)
        except BlockingIOError:
            return
        *lines, self._partial = data.split(b"\n")
        for line in lines:
            kind, interface, address, user = line.decode().split(" ", 3)
            yield Notice(kind == "asks", interface, address, user)

    def until_end_of(self, pppd: Daemon, told: int) -> Iterator[Notice]:
        """What comes in until a call's pppd has ended; once ``told`` is readable, that has a while to end."""
        ended = os.pidfd_open(pppd.pid)
        poller, patience_ms = readable(ended, told, self), None
        try:
            while True:
                ready = [descriptor for descriptor, _ in poller.poll(patience_ms)]
                # First: a call that ended just now may have been open before.
                yield from self.read()
                if ended in ready or not ready:
                    return
                if told in ready:
                    poller.unregister(told)
                    patience_ms = HANG_UP_S * 1000
                    pppd.signal(signal.SIGTERM)
                    # A pppd that a fault has stopped would not hear the other.
                    pppd.signal(signal.SIGCONT)
        finally:
            os.close(ended)

    def answer(self) -> None:
        """Let the call's pppd go on."""
        os.write(self._answers, b"\n")


@contextlib.contextmanager
def _pipe(node: Node, kind: str, number: int) -> Iterator[int]:
    path = f"{DIRECTORY}/{kind}-{number}"
    pipe = node.call(_make_pipe, path)
    try:
        yield pipe
    finally:
        # In this order: who opened a pipe that nobody else has open would wait for ever.
        node.call(os.unlink, path)
        os.close(pipe)


def _make_pipe(path: str) -> int:
    """For reading and writing: so it neither waits for another end nor ever ends."""
    Path(path).parent.mkdir(exist_ok=True)
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
