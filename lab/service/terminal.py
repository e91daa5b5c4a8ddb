"""The log-in of the DS8000's ASCII terminal, as the console sees it (S3 Modem connectivity; I-23, I-24).

    asked for   the console says        what is typed        then
    user        ``User ID: ``           echoed               password; nothing typed: user
    password    ``Password: ``          not echoed           right: response; wrong: a wrong try
    response    ``Response: ``          echoed               right: let in; wrong: a wrong try
    over                                not read

Rules for who works on this module:

1. Everything that decides who is let in is here: bytes and time in, bytes and a state out. No descriptor,
   no clock, no process.
2. Nothing that the other end sends makes it keep more than ``MOST_CHARACTERS``, or lasts longer than
   ``PROMPT_S`` at a prompt: garbage and silence end as a wrong try or with the time, and let nobody in.
3. A wrong try is one of user ID, password and response, without a word which of the first two was wrong.
   Wrong tries add up over the calls of one enabling: hanging up does not buy another three.
4. What comes after the last line of the log-in is in ``rest``, and belongs to the session.
"""

from __future__ import annotations

import hmac
from enum import StrEnum, auto

from lab.service.challenge import Challenges
from lab.topology.service import MOST_TRIES
from lab.topology.terminal import TerminalAccount

ASK_USER, ASK_PASSWORD, ASK_RESPONSE = "User ID: ", "Password: ", "Response: "
CHALLENGE = "Challenge: "
DENIED = "Access denied"
TOO_MANY = "Too many tries"
TOO_LATE = "Time is up"

MOST_CHARACTERS = 64
"""Of a line; the bell rings for more."""
MOST_BYTES = 512
"""Of one try, whatever they are; more is garbage. An empty line counts as a full one."""
PROMPT_S = 60.0
"""Lab time to answer a prompt."""

_BEL, _BS, _LF, _CR, _KILL, _ESC, _DEL = 0x07, 0x08, 0x0A, 0x0D, 0x15, 0x1B, 0x7F
_RUB_OUT = b"\b \b"
_END = b"\r\n"


class LogInState(StrEnum):
    """What has become of a log-in."""

    asking = auto()
    let_in = auto()
    locked_out = auto()
    """Three wrong tries: the console hangs up, and lets nobody in until the next enabling."""
    timed_out = auto()
    """The console hangs up."""


class LogInDenial(StrEnum):
    """Why a try was a wrong one."""

    account = "wrong user ID or password"
    response = "wrong response"
    garbage = "garbage"
    silence = "not finished in time"
    left = "not finished when the line went"


class _Asked(StrEnum):
    user = auto()
    password = auto()
    response = auto()
    over = auto()


class TypedLine:
    """A line as a person types it at a VT100: bytes in, echo out; holds ``MOST_CHARACTERS`` at most.

    Backspace and DEL take a character back, Control-U the line. CR, LF, or CR and LF end it. Other control
    characters, escape sequences (ECMA-48 5.4) and bytes that are no ASCII are passed over.
    """

    def __init__(self) -> None:
        self._typed = bytearray()
        self._escaped = b""
        """What has come of an escape sequence; two bytes at most."""
        self._after_cr = False

    def take(self, byte: int, *, echo: bool) -> tuple[bytes, str | None]:
        """What is to be shown, and the line if this ends it."""
        after_cr, self._after_cr = self._after_cr, byte == _CR
        if byte == _CR or (byte == _LF and not after_cr):
            line = self._typed.decode("ascii")
            self.clear()
            return _END, line
        if self._passes_over(byte):
            return b"", None
        if byte in (_BS, _DEL):
            return self._rub_out(1, echo)
        if byte == _KILL:
            return self._rub_out(len(self._typed), echo)
        if not 0x20 <= byte < _DEL:
            return b"", None
        if len(self._typed) == MOST_CHARACTERS:
            return bytes([_BEL]), None
        self._typed.append(byte)
        return bytes([byte]) if echo else b"", None

    def without_lf(self, data: bytes) -> bytes:
        """What comes after a line, without the LF that is still of it."""
        after_cr, self._after_cr = self._after_cr, False
        return data.removeprefix(b"\n") if after_cr else data

    def clear(self) -> None:
        self._typed.clear()
        self._escaped = b""

    def _rub_out(self, most: int, echo: bool) -> tuple[bytes, None]:
        count = min(most, len(self._typed))
        del self._typed[len(self._typed) - count :]
        return _RUB_OUT * count if echo else b"", None

    def _passes_over(self, byte: int) -> bool:
        """Whether a byte belongs to an escape sequence."""
        if byte == _ESC:
            self._escaped = b"\x1b"
            return True
        match self._escaped:
            case b"":
                return False
            case b"\x1b" if byte in b"[O":
                self._escaped = bytes([_ESC, byte])
            case b"\x1b[" if 0x20 <= byte < 0x40:
                pass
            case _:
                self._escaped = b""
        return True


class TerminalLogIn:
    """One call's log-in: ``begin``, then ``receive`` and ``look`` while it is ``asking``."""

    def __init__(
        self, host: str, account: TerminalAccount, challenges: Challenges, wrong: int = 0
    ) -> None:
        """``wrong``: the wrong tries of earlier calls of the same enabling."""
        self.state = LogInState.asking
        self.denials: list[LogInDenial] = []
        """Of this call, in order."""
        self.rest = b""
        """What came after the log-in, for the session."""
        self.deadline = 0.0
        """When ``look`` has something to say, on the clock of ``now``; without a meaning once it is over."""
        self._host = host
        self._account = account
        self._challenges = challenges
        self._wrong = wrong
        self._asked = _Asked.user
        self._line = TypedLine()
        self._user = ""
        self._bytes = 0
        """That came in this try."""

    @property
    def wrong(self) -> int:
        """Wrong tries of this enabling until now."""
        return self._wrong + len(self.denials)

    def begin(self, now: float) -> bytes:
        """What the console says first."""
        return f"\r\n{self._host}: remote service\r\n\r\n".encode() + self._ask_user(now)

    def receive(self, data: bytes, now: float) -> bytes:
        """What came from the line; returns what is to be sent."""
        out = bytearray(self.look(now))
        for place, byte in enumerate(data):
            if self.state is not LogInState.asking:
                if self.state is LogInState.let_in:
                    self.rest += self._line.without_lf(data[place:])
                break
            out += self._take(byte, now)
        return bytes(out)

    def look(self, now: float) -> bytes:
        """What is to be sent because time has passed."""
        if self.state is not LogInState.asking or now < self.deadline:
            return b""
        if self._tried:
            self._note_wrong(LogInDenial.silence)
        if self.state is LogInState.asking:
            self._end(LogInState.timed_out)
        return _said(TOO_LATE)

    def leave(self) -> None:
        """The line has gone."""
        if self.state is LogInState.asking:
            if self._tried:
                self._note_wrong(LogInDenial.left)
            self._asked = _Asked.over

    @property
    def _tried(self) -> bool:
        """Whether anything was typed since the last prompt for a user ID."""
        return self._bytes > 0

    def _take(self, byte: int, now: float) -> bytes:
        self._bytes += 1
        if self._bytes > MOST_BYTES:
            return self._deny(LogInDenial.garbage, now)
        shown, line = self._line.take(byte, echo=self._asked is not _Asked.password)
        if line is None:
            return shown
        return shown + self._end_line(line, now)

    def _end_line(self, line: str, now: float) -> bytes:
        if self._asked is _Asked.user:
            # Not a new try, nor more time, and not for nothing: or a caller could go on for ever.
            if not line:
                self._bytes += MOST_CHARACTERS
                return ASK_USER.encode()
            self._user = line
            return self._ask(_Asked.password, ASK_PASSWORD, now)
        if self._asked is _Asked.password:
            if not self._is_known(line):
                return self._deny(LogInDenial.account, now)
            challenge = f"{CHALLENGE}{self._challenges.issue()}\r\n"
            return challenge.encode() + self._ask(_Asked.response, ASK_RESPONSE, now)
        if not self._challenges.accepts(line):
            return self._deny(LogInDenial.response, now)
        self._end(LogInState.let_in)
        return b""

    def _is_known(self, password: str) -> bool:
        """In constant time, and both in any case."""
        user = hmac.compare_digest(self._account.user.encode(), self._user.encode())
        right = hmac.compare_digest(self._account.password.reveal().encode(), password.encode())
        return user and right

    def _deny(self, denial: LogInDenial, now: float) -> bytes:
        self._note_wrong(denial)
        if self.state is LogInState.locked_out:
            return _said(DENIED) + _said(TOO_MANY)
        return _said(DENIED) + _END + self._ask_user(now)

    def _note_wrong(self, denial: LogInDenial) -> None:
        self.denials.append(denial)
        if self.wrong >= MOST_TRIES:
            self._end(LogInState.locked_out)

    def _ask_user(self, now: float) -> bytes:
        self._bytes = 0
        self._user = ""
        return self._ask(_Asked.user, ASK_USER, now)

    def _ask(self, asked: _Asked, prompt: str, now: float) -> bytes:
        self._line.clear()
        self._asked = asked
        self.deadline = now + PROMPT_S
        return prompt.encode()

    def _end(self, state: LogInState) -> None:
        self._line.clear()
        self.state = state
        self._asked = _Asked.over


def _said(words: str) -> bytes:
    return f"\r\n{words}\r\n".encode()
