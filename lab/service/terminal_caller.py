"""IBM's representative at the server that dials a DS8000's console: calls it, logs in, works (I-23, I-24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lab.errors import ProtocolError, UsageError
from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.secret import Secret
from lab.service.access import WayInAccess
from lab.service.caller import TelephoneCaller
from lab.service.challenge import DIGITS
from lab.service.server.office import Verb
from lab.service.terminal_user import TerminalRepresentative, TerminalUser
from lab.topology.model import RemoteService
from lab.topology.telephone import ModemLine
from lab.topology.terminal import TerminalAccount


class TerminalCaller(TelephoneCaller):
    """A representative that calls, and finds an ASCII terminal: one call at a time."""

    def __init__(self, node: Node, service: RemoteService, line: ModemLine, tell: Tell) -> None:
        super().__init__(node, service, line, tell)
        self.at = TerminalUser(service.console)

    @property
    def connected(self) -> bool:
        return self.at.connected

    def enter(self, service: RemoteService) -> bool:
        """After CONNECT the line is the terminal."""
        return True

    def authenticate(self, service: RemoteService) -> bool:
        """Log in with the account that ``service`` has; whether a session stands. Else the line may stay."""
        assert service.terminal_account is not None, "this generation has terminals"
        return self.log_in(service.terminal_account)

    def log_in(self, account: TerminalAccount, response: str = "") -> bool:
        """The same with any account; ``response``: what is typed whatever the challenge is."""
        let_in = self.at.log_in(self._modem.heed_carrier, account, response)
        self.said = self.at.said
        return let_in

    def leave(self) -> None:
        """Say good-bye to a session, and hang up."""
        try:
            self.at.leave()
        finally:
            super().leave()

    stop = leave


class TerminalAccess(WayInAccess):
    """How the office reaches a console with a terminal."""

    _representative: TerminalRepresentative

    @property
    def verbs(self) -> Mapping[str, Verb]:
        return {"type": self.type}

    def authenticate(self, options: Mapping[str, Any]) -> str:
        """Log in; what is not given is as the representative knows it."""
        account, console = self._account(options), self._service.console
        wanted = self._wanted(options)
        if not self._representative.enter(wanted):
            raise ProtocolError(f"{console} has no session in which it is {wanted.ppp_address}")
        if not self._representative.log_in(account, str(options.get("response") or "")):
            said = self._representative.said
            raise ProtocolError(
                f"{console} does not let {account.user} in" + (f": {said}" if said else "")
            )
        return f"connected: {account.user} is let in to {console}"

    def type(self, options: Mapping[str, Any]) -> str:
        """One command line for the session."""
        command = str(options.get("command") or "")
        if not command.isprintable() or not command:
            raise UsageError("type one line of text", hint="lab-service type 'uname -a'")
        return self._representative.at.type(command)

    def _account(self, options: Mapping[str, Any]) -> TerminalAccount:
        account = self._service.terminal_account
        assert account is not None, "this generation has terminals"
        user, password = options.get("user"), options.get("password")
        for text in filter(None, (user, password, options.get("response"))):
            if not str(text).isprintable() or not str(text).isascii():
                raise UsageError("what is typed at the terminal is ASCII text")
        known = replace(account, user=str(user)) if user else account
        return replace(known, password=Secret(str(password))) if password else known


def wrong_response() -> str:
    """One that no challenge has, but by a chance of one in 2 to the 128th."""
    return "0" * DIGITS
