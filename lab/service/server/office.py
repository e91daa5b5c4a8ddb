"""What IBM's people may do at the service server, and the record of each attempt (I-04, I-19, I-21).

The order is the papers': log in to the server, then, by a special tool that needs special authorization, to the
console. How a console is reached is not known here (``WayIn``), nor how somebody asks (``reception``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lab.errors import LabError, PathError, UsageError
from lab.linux.process import Popen
from lab.names import check_known
from lab.service.server import audit
from lab.service.server.audit import Audit, Outcome
from lab.service.server.tokens import AccessDenied, Authorization, Authorizations, Denial

OFFICER = "officer"
"""Whoever works at the server's own console: authorizes others, and has no session."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    user: str
    address: str
    """From where the user has logged in; empty without a log-in."""

    @property
    def logged_in(self) -> bool:
        return bool(self.address)


class WayIn(Protocol):
    """How the server reaches a console."""

    @property
    def connected(self) -> bool:
        """Whether a session stands."""

    def begin(self, options: Mapping[str, Any]) -> str:
        """Begin a session; the words for the user. Raises LabError where none comes about."""

    def end(self) -> None:
        """End the session, if one stands."""

    def run(self, argv: Sequence[str], uid: int, streams: Sequence[int]) -> Popen[bytes]:
        """Start a program as a user, on three streams, where the session can be reached."""


@dataclass(frozen=True, slots=True)
class _Session:
    """The one that has begun, and whose end is not recorded yet."""

    user: str
    address: str
    console: str
    authorization: Authorization


class Office:
    """The verbs of ``lab-service``; each writes its record, whatever comes of it."""

    def __init__(
        self,
        consoles: Sequence[str],
        users: Sequence[str],
        authorizations: Authorizations,
        records: Audit,
        way_in: WayIn,
    ) -> None:
        self._consoles = tuple(consoles)
        self._users = tuple(users)
        self._authorizations = authorizations
        self._records = records
        self._way_in = way_in
        self._session: _Session | None = None

    # The officer's.

    def authorize(self, caller: Caller, options: Mapping[str, Any]) -> str:
        """Authorize a user for one session; the token."""
        user, console = str(options["user"]), self._console(options)
        with _Attempt(self._records, caller, "authorize", console) as attempt:
            self._want_officer(caller)
            check_known("user", user, self._users)
            minutes = float(options["minutes"])
            token = self._authorizations.issue(user, console, minutes, time.time())
            attempt.reason = f"{user}, for {minutes:g} minutes"
            return token.reveal()

    def audit(self, caller: Caller, options: Mapping[str, Any]) -> str:
        """Every record."""
        with _Attempt(self._records, caller, "audit"):
            self._want_officer(caller)
        return audit.table(self._records.records())

    # The representative's.

    def connect(self, caller: Caller, options: Mapping[str, Any]) -> str:
        """Begin a session by a token, which is used up by that, and not by an attempt that fails."""
        self.look()
        console = self._console(options)
        with _Attempt(self._records, caller, "connect", console):
            self._want_login(caller)
            token = str(options.get("token") or "")
            found = self._authorizations.check(token, caller.user, console, time.time())
            if self._session is not None:
                raise UsageError("a session stands already", hint="lab-service hang-up")
            words = self._way_in.begin(options)
        self._authorizations.use_up(token)
        self._session = _Session(caller.user, caller.address, console, found)
        self._note_session("begun")
        return words

    def run(
        self, caller: Caller, options: Mapping[str, Any], uid: int, streams: Sequence[int]
    ) -> Popen[bytes]:
        """Start a program in the caller's session."""
        self.look()
        argv = [str(word) for word in options["command"]]
        with _Attempt(self._records, caller, "run", self._session_console()) as attempt:
            self._want_own_session(caller)
            attempt.reason = argv[0]
            return self._way_in.run(argv, uid, streams)

    def hang_up(self, caller: Caller, options: Mapping[str, Any]) -> str:
        """End the caller's session; an officer may end anybody's."""
        self.look()
        with _Attempt(self._records, caller, "hang-up", self._session_console()):
            if caller.user != OFFICER:
                self._want_own_session(caller)
            elif self._session is None:
                raise AccessDenied(Denial.no_session)
            self._way_in.end()
        self.look()
        return self._status()

    def status(self, caller: Caller, options: Mapping[str, Any]) -> str:
        """Whether a session stands."""
        self.look()
        with _Attempt(self._records, caller, "status", self._session_console()):
            if caller.user != OFFICER:
                self._want_login(caller)
            return self._status()

    # The session.

    def look(self) -> None:
        """Record the end of a session that has ended."""
        if self._session is not None and not self._way_in.connected:
            self._note_session("ended")
            self._session = None

    def close(self) -> None:
        """End everything: the server goes down."""
        self._way_in.end()
        self.look()

    def note_log_in(self, user: str, address: str, fault: str) -> None:
        """Record an attempt to log in; ``fault`` is empty if it succeeded."""
        outcome = Outcome.refused if fault else Outcome.done
        self._records.note(user, address, "", "log-in", outcome, fault)

    def _note_session(self, what: str) -> None:
        session = self._session
        assert session is not None, "it has begun"
        reason = f"{what}, by authorization {session.authorization.number}"
        self._records.note(
            session.user, session.address, session.console, "session", Outcome.done, reason
        )

    def _status(self) -> str:
        if self._session is None:
            return "no session stands"
        return f"a session of {self._session.user} with {self._session.console} stands"

    def _session_console(self) -> str:
        return self._session.console if self._session else ""

    def _console(self, options: Mapping[str, Any]) -> str:
        console = str(options.get("console") or self._consoles[0])
        check_known("console", console, self._consoles)
        return console

    # Who may what.

    def _want_officer(self, caller: Caller) -> None:
        if caller.user != OFFICER:
            raise AccessDenied(Denial.no_officer)

    def _want_login(self, caller: Caller) -> None:
        if not caller.logged_in:
            raise AccessDenied(Denial.no_login)

    def _want_own_session(self, caller: Caller) -> None:
        self._want_login(caller)
        if self._session is None:
            raise AccessDenied(Denial.no_session)
        if self._session.user != caller.user:
            raise AccessDenied(Denial.other_session)


class _Attempt:
    """Writes the record of an attempt when the attempt is over."""

    def __init__(self, records: Audit, caller: Caller, verb: str, console: str = "") -> None:
        self.reason = ""
        self._records = records
        self._caller = caller
        self._verb = verb
        self._console = console

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        outcome, reason = Outcome.done, self.reason
        if isinstance(error, AccessDenied):
            outcome, reason = Outcome.refused, str(error.reason)
        elif isinstance(error, UsageError | PathError):
            outcome, reason = Outcome.failed, error.message
        elif isinstance(error, LabError):
            outcome, reason = Outcome.failed, "the lab broke"
        elif error is not None:
            return
        caller = self._caller
        self._records.note(
            caller.user, caller.address, self._console, self._verb, outcome, reason
        )
