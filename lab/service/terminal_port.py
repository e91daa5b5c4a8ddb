"""The DS8000 console's terminal in a session by VPN, by TCP: one call at a time (I-23).

The papers have user ID, password and response for both ways in (S3 Inbound), and no protocol for them by VPN.
The lab's choice: the same terminal as by modem, on Telnet's port without Telnet's options (Q-17).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

from lab.linux import listening
from lab.linux.nodes import Node
from lab.linux.worker import Broke, readable, start_worker
from lab.service.console_terminal import ConsoleTerminal, part
from lab.service.terminal import LogInState
from lab.topology.terminal import TERMINAL_PORT
from tunnels.answering import ToldToEnd

LAST = (LogInState.let_in, LogInState.locked_out)
"""An enabling serves one session (I-02), and three wrong tries."""
_BACKLOG = 8


@contextlib.contextmanager
def start(node: Node, address: str, terminal: ConsoleTerminal) -> Iterator[TerminalPort]:
    """Take calls at an address of the console's inside of the context."""
    with contextlib.ExitStack() as undo:
        over = os.eventfd(0, os.EFD_CLOEXEC)
        undo.callback(os.close, over)
        (listener,) = node.call(
            listening.by_tcp,
            node.name,
            [(address, TERMINAL_PORT)],
            _BACKLOG,
            "stop what listens there",
        )
        port = TerminalPort(f"{node.name}'s terminal", undo.enter_context(listener), terminal, over)
        undo.callback(port.check)
        undo.enter_context(start_worker(port.run, f"{node.name}'s terminal"))
        yield port


class TerminalPort:
    """The port at work."""

    def __init__(
        self, name: str, listener: socket.socket, terminal: ConsoleTerminal, over: int
    ) -> None:
        self.state = LogInState.asking
        """What became of the last call; no call is taken after one that was let in or locked out."""
        self.over = over
        """A descriptor that is readable once no call is taken any more."""
        self._broke = Broke(name)
        self.check = self._broke.check
        self._listener = listener
        self._terminal = terminal

    def run(self, told: int) -> None:
        """Take calls until ``told`` is readable, or one has been let in or locked out."""
        try:
            with self._broke, contextlib.suppress(ToldToEnd):
                self._take_calls(told)
        finally:
            os.eventfd_write(self.over, 1)

    def _take_calls(self, told: int) -> None:
        poller = readable(self._listener, told)
        while self.state not in LAST:
            if told in (descriptor for descriptor, _ in poller.poll()):
                return
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionError):
                continue  # Whoever called has gone.
            with connection:
                self._take_call(connection, told)

    def _take_call(self, connection: socket.socket, told: int) -> None:
        connection.setblocking(False)
        line = connection.fileno()
        self.state = self._terminal.take_call(line, told)
        # The last words are on their way; what still comes must not undo them.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            part(line, told)
