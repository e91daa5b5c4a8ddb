"""IBM's representative at the server that dials a DS8000's console: calls it, logs in, works (I-23, I-24)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lab.errors import ProtocolError, UsageError
from lab.secret import Secret
from lab.service.access import WayInAccess
from lab.service.caller import TelephoneCaller
from lab.service.challenge import DIGITS
from lab.service.server.office import Verb
from lab.service.typist import Typist
from lab.topology.model import RemoteService
from lab.topology.terminal import TerminalAccount


class TerminalCaller(TelephoneCaller):
    """A representative that calls, and finds an ASCII terminal: one call at a time."""

    _typist: Typist | None = None
    _let_in = False
    _response = ""

    @property
    def connected(self) -> bool:
        """Whether a session stands."""
        return self._let_in and self._typist is not None and not self._typist.hung_up

    @property
    def response(self) -> str:
        """The last one that was typed; a replay types it again."""
        return self._response

    def authenticate(self, service: RemoteService) -> bool:
        """Log in with the account that ``service`` has; whether a session stands. Else the line may stay."""
        assert service.terminal_account is not None, "this generation has terminals"
        return self.log_in(service.terminal_account)

    def log_in(self, account: TerminalAccount, response: str = "") -> bool:
        """The same with any account; ``response``: what is typed whatever the challenge is."""
        if self._typist is None:
            try:
                port = self._modem.heed_carrier()
            except OSError:
                self.said = "the line has gone"
                return False
            self._typist = Typist(port, self._service.console)
        typist = self._typist
        try:
            self._let_in = typist.log_in(account, response)
        except ProtocolError as error:
            self.said = str(error)
            return False
        finally:
            self._response = typist.typed_response or self._response
        return self._let_in

    def type(self, command: str) -> str:
        """What the session says to a command. Raises ProtocolError if none stands, or the line goes."""
        if self._typist is None or not self._let_in:
            raise ProtocolError("no session stands")
        try:
            return self._typist.run(command)
        except ProtocolError:
            self._let_in = False
            raise

    def leave(self) -> None:
        """Say good-bye to a session, and hang up."""
        typist, self._typist = self._typist, None
        was_in, self._let_in = self._let_in, False
        try:
            if typist is not None and was_in:
                with contextlib.suppress(ProtocolError):
                    typist.say_good_bye()
        finally:
            super().leave()

    stop = leave


class TerminalAccess(WayInAccess):
    """How the office reaches a console with a terminal."""

    _representative: TerminalCaller

    @property
    def verbs(self) -> Mapping[str, Verb]:
        return {"type": self.type}

    def authenticate(self, options: Mapping[str, Any]) -> str:
        """Log in; what is not given is as the representative knows it."""
        account, console = self._account(options), self._service.console
        if not self._representative.log_in(account, str(options.get("response") or "")):
            raise ProtocolError(f"{console} does not let {account.user} in")
        return f"connected: {account.user} is let in to {console}"

    def type(self, options: Mapping[str, Any]) -> str:
        """One command line for the session."""
        command = str(options.get("command") or "")
        if not command.isprintable() or not command:
            raise UsageError("type one line of text", hint="lab-service type 'uname -a'")
        return self._representative.type(command)

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
