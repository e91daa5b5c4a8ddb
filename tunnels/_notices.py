"""How the pppds of a LIG tell it what has become of their calls: two scripts and named pipes.

pppd waits for ``ip-pre-up`` before it puts its interface up (pppd(8) SCRIPTS), and that script waits
for our answer; so the fence knows a call before the first packet of it. The scripts start no
programs: a shell and what is built into it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.linux.nodes import Node

DIRECTORY = "/run/lig"
PIPE = f"{DIRECTORY}/notices"

NUMBER = "LAB_CALL"
"""The call's number in the environment of its scripts."""

PRE_UP = f"""\
#!/bin/sh
# The fence must know the call before its IP link is up.
echo "asks ${NUMBER} $IFNAME $IPREMOTE $PEERNAME" >{PIPE}
read -r _ <{DIRECTORY}/answer-${NUMBER}
"""
UP = f"""\
#!/bin/sh
echo "up ${NUMBER} $IFNAME $IPREMOTE $PEERNAME" >{PIPE}
"""
SCRIPTS = {"/etc/ppp/ip-pre-up": PRE_UP, "/etc/ppp/ip-up": UP}


@dataclass(frozen=True, slots=True)
class Notice:
    """A line from a script."""

    asks: bool
    """Whether it waits for an answer."""
    number: int
    interface: str
    address: str
    user: str


@contextlib.contextmanager
def start_notices(node: Node) -> Iterator[Notices]:
    """Install the scripts and open their pipe, until the end of the context."""
    for path, text in SCRIPTS.items():
        node.write(path, text, 0o700)
    # For reading and writing: so it neither waits for a writer nor ever ends.
    pipe = node.call(_make_pipe, PIPE)
    notices = Notices(node, pipe)
    try:
        yield notices
    finally:
        os.close(pipe)
        notices.forget_all()


class Notices:
    """The pipe on which scripts write, and the one on which each call is answered."""

    def __init__(self, node: Node, pipe: int) -> None:
        self._node = node
        self._pipe = pipe
        self._answers: dict[int, int] = {}
        self._partial = b""

    def fileno(self) -> int:
        return self._pipe

    def expect(self, number: int) -> None:
        """Be ready for a call's scripts."""
        self._answers[number] = self._node.call(_make_pipe, _answer_path(number))

    def read(self) -> Iterator[Notice]:
        """What has come in."""
        try:
            data = self._partial + os.read(self._pipe, 1 << 16)
        except BlockingIOError:
            return
        *lines, self._partial = data.split(b"\n")
        for line in lines:
            kind, number, interface, address, user = line.decode().split(" ", 4)
            yield Notice(kind == "asks", int(number), interface, address, user)

    def answer(self, number: int) -> None:
        """Let a call's pppd go on."""
        os.write(self._answers[number], b"\n")

    def forget(self, number: int) -> None:
        """The call has ended; a script that waits still, waits no longer."""
        # In this order: who opened a pipe that nobody else has open would wait for ever.
        self._node.call(os.unlink, _answer_path(number))
        os.close(self._answers.pop(number))

    def forget_all(self) -> None:
        for number in list(self._answers):
            self.forget(number)


def _answer_path(number: int) -> str:
    return f"{DIRECTORY}/answer-{number}"


def _make_pipe(path: str) -> int:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
