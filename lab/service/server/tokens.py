"""Authorizations of IBM's people: a token names one user and one console, expires, and serves one session.

Special tools need special authorization (S4 2.2.2, I-21). The token's form is the lab's choice: 25 random
characters, of which the server keeps a digest. No clock is read and nothing is written here; times are
seconds since 1970 on the lab's clock.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from lab.errors import ProtocolError, UsageError
from lab.secret import Secret

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without the letters that look like digits: 32 characters, five bits each."""
LENGTH, GROUP = 25, 5
MOST_MINUTES = 24 * 60.0


class Denial(StrEnum):
    """Why the server refuses what somebody wants."""

    no_login = "no-login"
    """Nobody has logged in by SSH."""
    no_officer = "no-officer"
    """The verb is an officer's, at the server's own console."""
    no_token = "no-token"
    unknown_token = "unknown-token"
    other_user = "other-user"
    """The token names another user."""
    other_console = "other-console"
    """The token names another console."""
    expired = "expired"
    used_up = "used-up"
    """The token's session has begun already."""
    no_session = "no-session"
    other_session = "other-session"
    """The session that stands is another user's."""
    no_tool = "no-tool"
    """The server has no such tool."""

    @property
    def words(self) -> str:
        """For people."""
        return _WORDS[self]


_WORDS = {
    Denial.no_login: "nobody has logged in by SSH",
    Denial.no_officer: "only an officer can do that, at the server's own console",
    Denial.no_token: "an authorization is needed",
    Denial.unknown_token: "no authorization has this token",
    Denial.other_user: "the authorization is another user's",
    Denial.other_console: "the authorization is for another console",
    Denial.expired: "the authorization has expired",
    Denial.used_up: "the authorization was used already",
    Denial.no_session: "no session stands",
    Denial.other_session: "the session is another user's",
    Denial.no_tool: "the server has no such tool",
}
_HINTS = {
    Denial.no_login: "ssh representative@SERVER connect --token TOKEN, from a PC of the intranet",
    Denial.no_token: "an officer gives one: lab-service authorize --user USER --console CONSOLE",
    Denial.expired: "an officer gives another: lab-service authorize",
    Denial.used_up: "each serves one session; an officer gives another: lab-service authorize",
}


class AccessDenied(ProtocolError):
    """The server refuses; ``reason`` says why."""

    def __init__(self, reason: Denial) -> None:
        super().__init__(f"refused: {reason.words}", hint=_HINTS.get(reason, ""))
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What a token stands for."""

    number: int
    """Of the server's authorizations, from 1: records name the authorization so, and never the token."""
    user: str
    console: str
    expires: float
    """From this time on the token is worth nothing."""
    used: bool = False


class Authorizations:
    """All authorizations of a server."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        """``random_bytes`` gives that many of them: ``os.urandom``."""
        self._random_bytes = random_bytes
        self._known: dict[bytes, Authorization] = {}

    def issue(self, user: str, console: str, minutes: float, now: float) -> Secret:
        """Authorize a user for one session with a console; the token.

        Raises UsageError for minutes that are no time, or more than a day.
        """
        if not (math.isfinite(minutes) and 0 < minutes <= MOST_MINUTES):
            raise UsageError(
                f"an authorization cannot be for {minutes:g} minutes",
                hint=f"more than 0, and at most {MOST_MINUTES:g}",
            )
        token = self._fresh()
        self._known[_digest(token)] = Authorization(
            number=len(self._known) + 1,
            user=user,
            console=console,
            expires=now + 60 * minutes,
        )
        return Secret(token)

    def check(self, token: str, user: str, console: str, now: float) -> Authorization:
        """The authorization for a user's session with a console; raises AccessDenied."""
        if not token:
            raise AccessDenied(Denial.no_token)
        found = self._known.get(_digest(token))
        if found is None:
            raise AccessDenied(Denial.unknown_token)
        if found.user != user:
            raise AccessDenied(Denial.other_user)
        if found.console != console:
            raise AccessDenied(Denial.other_console)
        if found.used:
            raise AccessDenied(Denial.used_up)
        if now >= found.expires:
            raise AccessDenied(Denial.expired)
        return found

    def use_up(self, token: str) -> None:
        """The token's session has begun: no other can."""
        digest = _digest(token)
        self._known[digest] = replace(self._known[digest], used=True)

    def _fresh(self) -> str:
        characters = "".join(ALPHABET[byte % len(ALPHABET)] for byte in self._random_bytes(LENGTH))
        return "-".join(characters[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def _digest(token: str) -> bytes:
    """Of the characters alone, in capitals, as people type them."""
    plain = "".join(c for c in token.upper() if c.isalnum())
    return hashlib.sha256(plain.encode()).digest()
