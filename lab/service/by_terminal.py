"""A DS8000 console's entrance by modem: after CONNECT the line is an ASCII terminal, and not PPP (I-24).

The modem answers as for PPP (``answered_line``); what is on the line then is ``console_terminal``'s.
"""

from __future__ import annotations

from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.service.answered_line import AnsweredLine
from lab.service.console_terminal import ConsoleTerminal, part
from lab.service.panel import Entrance, Panel
from lab.service.terminal import LogInState
from lab.topology.model import RemoteService
from lab.topology.telephone import ModemLine
from lab.topology.terminal import TerminalAccount
from tunnels._serial import heed_carrier


class TerminalEntrance(Entrance):
    """The entrance of one HMC by modem and ASCII terminal."""

    def __init__(self, node: Node, line: ModemLine, account: TerminalAccount, tell: Tell) -> None:
        self._modem = AnsweredLine(node, line)
        self._terminal = ConsoleTerminal(node, account, tell)

    def prepare(self, settings: RemoteService) -> None:
        self._terminal.forget()

    def shut(self) -> None:
        self._modem.silence()

    def serve(self, panel: Panel, settings: RemoteService, told: int) -> str:
        return self._modem.take_calls(
            told, panel.note_enabled, lambda port: self._take_call(panel, port, told)
        )

    def _take_call(self, panel: Panel, port: int, told: int) -> str:
        """A call that is connected; why nobody is let in any more, or nothing if it came to nothing."""
        panel.note_session()
        try:
            heed_carrier(port)
        except OSError:
            panel.note_enabled()
            return ""
        state = self._terminal.take_call(port, told)
        part(port, told)
        if state is LogInState.let_in:
            return "used"
        if state is LogInState.locked_out:
            return "wrong-tries"
        panel.note_enabled()
        return ""
