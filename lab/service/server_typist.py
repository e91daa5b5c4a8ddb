"""A representative at the Service Server who logs in at a DS8000's terminal, in a session by VPN (I-23)."""

from __future__ import annotations

import contextlib
import socket

from lab.linux.nodes import Node
from lab.service.server_user import ServerUser
from lab.service.terminal_user import TerminalUser
from lab.topology.model import RemoteService
from lab.topology.terminal import TERMINAL_PORT, TerminalAccount

CONNECT_S = 30.0


class ServerTypist:
    """A ``TerminalRepresentative``: ``user`` gets to the session, this one to the terminal in it."""

    def __init__(self, user: ServerUser, console: str) -> None:
        self._user = user
        self.at = TerminalUser(console)
        self._line = contextlib.ExitStack()
        """The connection to the terminal."""
        self._session: RemoteService | None = None
        """The one that is in use."""
        self.said = ""

    @property
    def connected(self) -> bool:
        """Whether the session stands, and the terminal has let us in if the session may reach it."""
        session = self._session
        may_log_in = session is not None and session.console_allowed
        return self._user.connected and (self.at.connected or not may_log_in)

    @property
    def place(self) -> Node:
        return self._user.place

    def knock(self) -> bool:
        """Look for a session of the console's."""
        found = self._user.knock()
        self.said = self._user.said
        return found

    def enter(self, service: RemoteService) -> bool:
        """Use the session, if it is not in use; whether it is where the customer tells."""
        if self._session is None and self._user.authenticate(service):
            self._session = service
        return self._session is not None

    def authenticate(self, service: RemoteService) -> bool:
        """Use the session, and log in with the account that ``service`` has if it may reach the terminal."""
        if not self.enter(service):
            return False
        assert service.terminal_account is not None, "this generation has terminals"
        return not service.console_allowed or self.log_in(service.terminal_account)

    def log_in(self, account: TerminalAccount, response: str = "") -> bool:
        """Log in with any account; ``response``: what is typed whatever the challenge is."""
        let_in = self.at.log_in(self._connect, account, response)
        self.said = self.at.said
        return let_in

    def _connect(self) -> int:
        assert self._session is not None, "who logs in has entered"
        address = (self._session.ppp_address, TERMINAL_PORT)
        self._line.close()
        line = self.place.call(socket.create_connection, address, CONNECT_S)
        self._line.enter_context(line)
        line.settimeout(None)
        return line.fileno()

    def leave(self) -> None:
        """Say good-bye, and end the session; one in which nobody was let in stays for another try."""
        session, self._session = self._session, None
        stays = session is not None and session.console_allowed
        try:
            stays = not self.at.leave() and stays
            self._line.close()
        finally:
            if stays:
                self._user.withdraw()
            else:
                self._user.leave()

    def stop(self) -> None:
        self._session = None
        try:
            self._line.close()
        finally:
            self._user.stop()
