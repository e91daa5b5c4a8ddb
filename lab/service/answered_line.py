"""A console's modem while remote service has it: set to answer, calls taken, and silenced again (I-03)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from itertools import count

from lab.linux.nodes import Node
from lab.service.panel import CannotLetIn
from lab.topology.telephone import ModemLine
from tunnels._serial import open_port
from tunnels.answering import AnsweringModem, HungUpOn, ToldToEnd, pause

RINGS = 1
"""The modem answers the first ring (S0=1)."""
OPEN_TRIES = 20
PORT_AWAY_S = 0.5
"""After a lost carrier the port is away for a moment."""


class AnsweredLine:
    """The modem of one line of a console's."""

    def __init__(self, node: Node, line: ModemLine) -> None:
        self.device = line.device
        self._node = node

    def take_calls(
        self, told: int, note_ready: Callable[[], None], take: Callable[[int], str]
    ) -> str:
        """Let the modem answer, one call after the other, until ``take`` says why no more are to be taken.

        ``note_ready`` is called whenever the modem would answer, ``take`` with the open port of each call
        that is connected. Raises CannotLetIn if the modem does not do what it is told, ToldToEnd.
        """
        while True:
            with self.opened(told) as port, contextlib.suppress(HungUpOn):
                modem = AnsweringModem(port, told)
                if not modem.set_up(RINGS):
                    raise self._silent()
                note_ready()
                modem.wait_for_call()
                if reason := take(port):
                    return reason

    def silence(self) -> None:
        """S0=0, as it is where nobody is let in."""
        with contextlib.suppress(OSError, HungUpOn, ToldToEnd, CannotLetIn):
            never = os.eventfd(0, os.EFD_CLOEXEC)
            try:
                with self.opened(never) as port:
                    AnsweringModem(port, never).set_up()
            finally:
                os.close(never)

    @contextlib.contextmanager
    def opened(self, told: int) -> Iterator[int]:
        """The port, as soon as it can be opened."""
        for number in count(1):
            try:
                port = self._node.call(open_port, self.device)
                break
            except OSError:
                if number == OPEN_TRIES:
                    raise self._silent() from None
                pause(told, PORT_AWAY_S)
        try:
            yield port
        finally:
            os.close(port)

    def _silent(self) -> CannotLetIn:
        words = f"{self._node.name}'s modem does not do what it is told"
        return CannotLetIn("no-modem", words)
