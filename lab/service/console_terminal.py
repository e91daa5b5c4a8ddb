"""The DS8000 console's terminal, over whichever line: log-in, then a session that is a shell (I-22, I-23).

``terminal`` decides who is let in, ``shell`` is the session. This brings both together with a descriptor, and
counts wrong tries over all calls of one enabling.
"""

from __future__ import annotations

import contextlib
import os
import select
import time

from lab.linux.nodes import Node
from lab.linux.worker import readable
from lab.record.event import Tell
from lab.service.challenge import Challenges
from lab.service.events import LoggedIn, LoggedOut, LogInDenied
from lab.service.shell import Ending, carry, start_shell
from lab.service.terminal import LogInState, TerminalLogIn
from lab.topology.terminal import TerminalAccount
from tunnels.answering import HungUpOn, ToldToEnd, read_some

PARTING_S = 3.0
"""For the last words to get over the line, before it is hung up."""


class ConsoleTerminal:
    """The terminal of one console: one call at a time."""

    def __init__(self, node: Node, account: TerminalAccount, tell: Tell) -> None:
        self._node = node
        self._account = account
        self._tell = tell
        self.forget()

    def forget(self) -> None:
        """Begin an enabling: no try is counted, and no challenge is open."""
        self._challenges = Challenges(self._account.key)
        self._wrong = 0
        """Tries, since the enabling."""
        self.let_in = False
        """Whether anybody was, since the enabling."""

    def take_call(self, line: int, told: int) -> LogInState:
        """Log-in and session of one call; what became of the log-in (``asking``: the line went).

        ``line`` is a descriptor that does not block. Raises ToldToEnd when ``told`` is readable.
        """
        log_in = TerminalLogIn(self._node.name, self._account, self._challenges, self._wrong)
        try:
            self._ask(line, log_in, told)
        except HungUpOn:
            log_in.leave()
            self._note(log_in)
        if log_in.state is LogInState.let_in:
            self._work(line, told, log_in.rest)
        return log_in.state

    def _ask(self, line: int, log_in: TerminalLogIn, told: int) -> None:
        """Let the log-in come to an end; raises HungUpOn if the line goes before, ToldToEnd."""
        out = bytearray(log_in.begin(time.monotonic()))
        while log_in.state is LogInState.asking:
            poller = readable(told)
            poller.register(line, select.POLLOUT if out else select.POLLIN)
            left_ms = max(0.0, log_in.deadline - time.monotonic()) * 1000
            ready = [descriptor for descriptor, _ in poller.poll(left_ms)]
            if told in ready:
                raise ToldToEnd
            if line in ready and not out:
                out += log_in.receive(read_some(line), time.monotonic())
            elif not ready:
                out += log_in.look(time.monotonic())
            self._note(log_in)
            _write(line, out)

    def _note(self, log_in: TerminalLogIn) -> None:
        """Tell of wrong tries that nobody was told of yet."""
        fresh = log_in.denials[len(log_in.denials) - (log_in.wrong - self._wrong) :]
        for number, denial in enumerate(fresh, self._wrong + 1):
            self._tell(LogInDenied(source=self._node.name, number=number, reason=denial))
        self._wrong = log_in.wrong

    def _work(self, line: int, told: int, first: bytes) -> None:
        """The session, until nothing of it is left."""
        ending = Ending.left
        with contextlib.ExitStack() as undo:
            shell = undo.enter_context(start_shell(self._node))
            self.let_in = True
            self._tell(LoggedIn(source=self._node.name, user=self._account.user))
            ended = os.pidfd_open(shell.daemon.pid)
            undo.callback(os.close, ended)
            ending = carry(line, shell.master, ended, told, first)
        self._tell(LoggedOut(source=self._node.name, ending=ending, left=shell.left))
        if ending is Ending.told:
            raise ToldToEnd


def part(line: int, told: int) -> None:
    """Let the last words get over the line, and read no more of what comes; until the caller hangs up."""
    deadline = time.monotonic() + PARTING_S
    poller = readable(line, told)
    with contextlib.suppress(HungUpOn):
        while (left_s := deadline - time.monotonic()) > 0:
            ready = [descriptor for descriptor, _ in poller.poll(left_s * 1000)]
            if told in ready:
                return
            if ready:
                read_some(line)


def _write(line: int, out: bytearray) -> None:
    """As much as there is room for."""
    try:
        with contextlib.suppress(BlockingIOError):
            if out:
                del out[: os.write(line, out)]
    except OSError as gone:
        raise HungUpOn from gone
