"""A representative at a console's terminal, over whichever line: logs in, types, says good-bye (I-23)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

from lab.errors import ProtocolError
from lab.service.representative import Representative
from lab.service.typist import LockedOut, Typist
from lab.topology.model import RemoteService
from lab.topology.terminal import TerminalAccount


class TerminalRepresentative(Representative, Protocol):
    """A ``Representative`` whose session is at a terminal."""

    @property
    def at(self) -> TerminalUser:
        """Who is at the terminal."""

    def enter(self, service: RemoteService) -> bool:
        """Get from the entrance to the terminal, if nobody has yet; whether the terminal can be reached."""

    def log_in(self, account: TerminalAccount, response: str = "") -> bool:
        """Try to be let in; ``response`` is what is typed whatever the challenge is."""


class TerminalUser:
    """Who is at the terminal: one call at a time."""

    def __init__(self, console: str) -> None:
        self.said = ""
        """Why the last ``log_in`` came to nothing, for people."""
        self.response = ""
        """The last one that was typed; a replay types it again."""
        self._console = console
        self._typist: Typist | None = None
        self._stands = False
        self._was_in = False
        """Since the last ``leave``, whether or not the session stands."""
        self.locked_out = False
        """Whether the console has hung up after too many wrong tries."""

    @property
    def connected(self) -> bool:
        return self._stands and self._typist is not None and not self._typist.hung_up

    def log_in(
        self, open_line: Callable[[], int], account: TerminalAccount, response: str = ""
    ) -> bool:
        """Whether the console lets us in. Else the line may stay; where it has gone, ``open_line`` opens one.

        ``open_line`` returns a descriptor that blocks, or raises OSError.
        """
        self.said = ""
        if self._typist is None:
            try:
                self._typist = Typist(open_line(), self._console)
            except OSError as error:
                self.said = f"there is no line to the terminal: {error.strerror or error}"
                return False
        typist = self._typist
        try:
            self._stands = typist.log_in(account, response)
        except ProtocolError as error:
            self.said = str(error)
            self.locked_out = isinstance(error, LockedOut)
            self._typist = None
            return False
        finally:
            self.response = typist.typed_response or self.response
        self._was_in = self._stands
        return self._stands

    def type(self, command: str) -> str:
        """What the session says to a command. Raises ProtocolError if none stands, or the line goes."""
        if self._typist is None or not self._stands:
            raise ProtocolError("no session stands")
        try:
            return self._typist.run(command)
        except ProtocolError:
            self._stands = False
            raise

    def leave(self) -> bool:
        """Say good-bye to a session that stands; whether there was one. The line is the caller's to close."""
        typist, self._typist = self._typist, None
        stands, self._stands = self._stands, False
        was_in, self._was_in = self._was_in, False
        self.locked_out = False
        if typist is not None and stands:
            with contextlib.suppress(ProtocolError):
                typist.say_good_bye()
        return was_in
