"""A DS8000 console's entrance by modem: after CONNECT the line is an ASCII terminal, and not PPP (I-24).

The modem answers as for PPP (``answered_line``). Who may go on is decided by ``terminal``; then the session
is a shell (``shell``), until the representative leaves, the line goes, or the customer ends it. Wrong tries
add up over the calls of one enabling.
"""

from __future__ import annotations

import contextlib
import os
import select
import time

from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.service.answered_line import AnsweredLine
from lab.service.challenge import Challenges
from lab.service.events import LoggedIn, LoggedOut, LogInDenied
from lab.service.panel import Panel
from lab.service.shell import CHUNK_BYTES, Ending, carry, start_shell
from lab.service.terminal import LogInState, TerminalLogIn
from lab.topology.model import RemoteService
from lab.topology.telephone import ModemLine
from lab.topology.terminal import TerminalAccount
from tunnels._serial import heed_carrier
from tunnels.answering import HungUpOn, ToldToEnd

PARTING_S = 3.0
"""For the last words to get over the line, before the modem hangs up."""


class TerminalEntrance:
    """The entrance of one HMC by modem and ASCII terminal."""

    def __init__(self, node: Node, line: ModemLine, account: TerminalAccount, tell: Tell) -> None:
        self._node = node
        self._modem = AnsweredLine(node, line)
        self._account = account
        self._tell = tell
        self._challenges = Challenges(account.key)
        self._wrong = 0
        """Tries, since the enabling."""

    def prepare(self, settings: RemoteService) -> None:
        self._challenges = Challenges(self._account.key)
        self._wrong = 0

    def shut(self) -> None:
        self._modem.silence()

    def unused(self) -> bool:
        return False

    def serve(self, panel: Panel, settings: RemoteService, told: int) -> str:
        return self._modem.take_calls(
            told, panel.note_enabled, lambda port: self._take_call(panel, port, told)
        )

    def _take_call(self, panel: Panel, port: int, told: int) -> str:
        """A call that is connected; why nobody is let in any more, or nothing if it came to nothing."""
        panel.note_session()
        log_in = TerminalLogIn(self._node.name, self._account, self._challenges, self._wrong)
        try:
            self._ask(port, log_in, told)
        except HungUpOn:
            log_in.leave()
            self._note(log_in)
        if log_in.state is LogInState.let_in:
            self._work(port, told, log_in.rest)
        _part(port, told)
        if log_in.state is LogInState.let_in:
            return "used"
        if log_in.state is LogInState.locked_out:
            return "wrong-tries"
        panel.note_enabled()
        return ""

    def _ask(self, port: int, log_in: TerminalLogIn, told: int) -> None:
        """Let the log-in come to an end; raises HungUpOn if the line goes before, ToldToEnd."""
        try:
            heed_carrier(port)
        except OSError as gone:
            raise HungUpOn from gone
        out = bytearray(log_in.begin(time.monotonic()))
        while log_in.state is LogInState.asking:
            poller = select.poll()
            poller.register(told, select.POLLIN)
            poller.register(port, select.POLLOUT if out else select.POLLIN)
            left_ms = max(0.0, log_in.deadline - time.monotonic()) * 1000
            ready = [descriptor for descriptor, _ in poller.poll(left_ms)]
            if told in ready:
                raise ToldToEnd
            if port in ready and not out:
                out += log_in.receive(_read(port), time.monotonic())
            elif not ready:
                out += log_in.look(time.monotonic())
            self._note(log_in)
            _write(port, out)

    def _note(self, log_in: TerminalLogIn) -> None:
        """Tell of wrong tries that nobody was told of yet."""
        fresh = log_in.denials[len(log_in.denials) - (log_in.wrong - self._wrong) :]
        for number, denial in enumerate(fresh, self._wrong + 1):
            self._tell(LogInDenied(source=self._node.name, number=number, reason=denial))
        self._wrong = log_in.wrong

    def _work(self, port: int, told: int, first: bytes) -> None:
        """The session, until nothing of it is left."""
        ending = Ending.left
        with contextlib.ExitStack() as undo:
            shell = undo.enter_context(start_shell(self._node))
            self._tell(LoggedIn(source=self._node.name, user=self._account.user))
            ended = os.pidfd_open(shell.daemon.pid)
            undo.callback(os.close, ended)
            ending = carry(port, shell.master, ended, told, first)
        self._tell(LoggedOut(source=self._node.name, ending=ending, left=shell.left))
        if ending is Ending.told:
            raise ToldToEnd


def _part(port: int, told: int) -> None:
    """Let the last words get over the line, and read no more of what comes; until the caller hangs up."""
    deadline = time.monotonic() + PARTING_S
    poller = select.poll()
    for descriptor in (port, told):
        poller.register(descriptor, select.POLLIN)
    with contextlib.suppress(HungUpOn):
        while (left_s := deadline - time.monotonic()) > 0:
            ready = [descriptor for descriptor, _ in poller.poll(left_s * 1000)]
            if told in ready:
                return
            if ready:
                _read(port)


def _read(port: int) -> bytes:
    try:
        data = os.read(port, CHUNK_BYTES)
    except BlockingIOError:
        return b""
    except OSError as gone:
        raise HungUpOn from gone
    if not data:
        raise HungUpOn
    return data


def _write(port: int, out: bytearray) -> None:
    """As much as there is room for."""
    try:
        with contextlib.suppress(BlockingIOError):
            if out:
                del out[: os.write(port, out)]
    except OSError as gone:
        raise HungUpOn from gone
