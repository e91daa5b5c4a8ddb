"""IBM's representative at an ASCII terminal: what is read and typed, over an open line (I-23)."""

from __future__ import annotations

import re
import select
from typing import TYPE_CHECKING

from lab.errors import ProtocolError
from lab.service import terminal
from lab.service.challenge import DIGITS, response
from lab.service.shell import PROMPT
from lab.topology.terminal import TerminalAccount

if TYPE_CHECKING:
    from pexpect.fdpexpect import fdspawn

READ_S = 30.0
"""Lab time for what the console says next; a line of 300 bit/s carries 900 characters meanwhile."""
WORK_S = 300.0
"""Lab time for a command's output."""
_CHALLENGE = re.compile(
    f"{terminal.CHALLENGE}([0-9a-f]{{{DIGITS}}})\r\n{terminal.ASK_RESPONSE}".encode()
)


class LockedOut(ProtocolError):
    """The console has had too many wrong tries."""


class Typist:
    """One call: ``log_in``, as often as the console asks, then ``run``."""

    def __init__(self, port: int, host: str) -> None:
        """``port``: open and raw, and connected to the console ``host``."""
        from pexpect.fdpexpect import fdspawn

        self._screen: fdspawn[bytes] = fdspawn(port, timeout=READ_S, use_poll=True)
        self._screen.delaybeforesend = None
        self._prompt = PROMPT.format(host=host).encode()
        self.typed_response = ""
        """The last one; a replay types it again."""

    @property
    def hung_up(self) -> bool:
        """Whether the line has gone."""
        poller = select.poll()
        poller.register(self._screen.fileno(), select.POLLRDHUP)
        return bool(poller.poll(0))

    def log_in(self, account: TerminalAccount, typed: str = "") -> bool:
        """Whether the console lets us in; ``typed``: a response that takes no notice of the challenge.

        Raises ProtocolError if the console does not ask, or the line goes.
        """
        if self._see(terminal.ASK_USER.encode(), terminal.TOO_MANY.encode()):
            raise LockedOut("the console has hung up after too many tries")
        self._type(account.user)
        self._see(terminal.ASK_PASSWORD.encode())
        self._type(account.password.reveal())
        if self._see(_CHALLENGE, terminal.DENIED.encode()):
            return False
        found = self._screen.match
        assert isinstance(found, re.Match), "a pattern was found"
        self.typed_response = typed or response(account.key, found[1].decode())
        self._type(self.typed_response)
        return self._see(self._prompt, terminal.DENIED.encode()) == 0

    def run(self, command: str) -> str:
        """What the session says to a command, which is one line. Raises ProtocolError if the line goes."""
        self._type(command)
        self._see(b"\r\n", deadline_s=WORK_S)
        self._see(self._prompt, deadline_s=WORK_S)
        return (self._screen.before or b"").decode(errors="replace").replace("\r\n", "\n").strip()

    def say_good_bye(self) -> None:
        """Leave the session; the console hangs up."""
        self._type("exit")
        self._wait_for_end()

    def _wait_for_end(self) -> None:
        import pexpect

        try:
            self._screen.expect(pexpect.EOF, timeout=READ_S)
        except OSError:
            pass  # A TCP connection may end by RST, and is over, too.
        except pexpect.TIMEOUT:
            raise ProtocolError("the console does not hang up") from None

    def _type(self, line: str) -> None:
        try:
            self._screen.send(f"{line}\r")
        except OSError:
            raise ProtocolError("the line has gone") from None

    def _see(self, *texts: bytes | re.Pattern[bytes], deadline_s: float = READ_S) -> int:
        """Wait until one of these is on the screen; which."""
        import pexpect

        patterns = [t if isinstance(t, re.Pattern) else re.compile(re.escape(t)) for t in texts]
        try:
            return int(self._screen.expect([*patterns], timeout=deadline_s))
        except pexpect.TIMEOUT:
            seen = (self._screen.before or b"")[-80:].decode(errors="replace")
            raise ProtocolError(f"the console does not ask; it says {seen!r}") from None
        except (pexpect.EOF, OSError):
            raise ProtocolError("the line has gone") from None
