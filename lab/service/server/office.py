"""What IBM's people may do at the service server, and the record of each attempt (I-04, I-19, I-21).

The order is the papers': log in to the server, then, by a special tool that needs special authorization, to
the console. How a console is reached (``ConsoleAccess``) is not known here, nor how one asks (``reception``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lab.errors import LabBroke, LabError, UsageError
from lab.linux.process import Popen
from lab.names import check_known
from lab.service.server import audit
from lab.service.server.audit import Audit, AuditOutcome
from lab.service.server.events import Audited
from lab.service.server.tokens import AccessDenied, Authorizations, Denial

OFFICER = "officer"
"""Whoever works at the server's own console: authorizes others, and has no session."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks."""

    user: str
    address: str
    """From where the user has logged in; empty without a log-in."""

    @property
    def logged_in(self) -> bool:
        return bool(self.address)


Verb = Callable[[Mapping[str, Any]], str]
"""Gets the options, and returns the words."""


class ConsoleAccess(Protocol):
    """How the server reaches a console."""

    @property
    def connected(self) -> bool:
        """Whether a session stands."""

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """What else can be asked for by whoever is at the entrance, or in the session."""

    def knock(self, options: Mapping[str, Any]) -> str:
        """Get to the console's entrance; the words for the user.

        Raises LabError where nothing answers, or the options make no sense.
        """

    def authenticate(self, options: Mapping[str, Any]) -> str:
        """Be let in; the words for the user. Raises ProtocolError where no session comes about."""

    def leave(self) -> None:
        """End the session, and leave the entrance. Does nothing if there is none."""

    def run(self, argv: Sequence[str], uid: int, streams: Sequence[int]) -> Popen[bytes]:
        """Start a program as a user, on three streams, where the session can be reached."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """Somebody at a console's entrance, or in a session."""

    caller: Asker
    console: str
    authorization: int
    token: str
    in_session: bool = False


class Office:
    """The verbs of ``lab-service``; each writes its record, whatever comes of it."""

    def __init__(
        self,
        consoles: Sequence[str],
        users: Sequence[str],
        authorizations: Authorizations,
        records: Audit,
        way_in: ConsoleAccess,
    ) -> None:
        self._consoles = tuple(consoles)
        self._users = tuple(users)
        self._authorizations = authorizations
        self._records = records
        self._way_in = way_in
        self._visit: _Visit | None = None
        self._changing = threading.RLock()
        """Held while a session begins or ends: the reception looks after both, and so may the lab."""
        self.refusals = 0
        """Log-ins that were refused."""

    # The officer's.

    def authorize(self, caller: Asker, options: Mapping[str, Any]) -> str:
        """Authorize a user for one session; the token."""
        user, console = str(options["user"]), self._console(options)
        with _Attempt(self._records, caller, "authorize", console) as attempt:
            self._want_officer(caller)
            check_known("user", user, self._users)
            minutes = float(options["minutes"])
            token = self._authorizations.issue(user, console, minutes, time.time())
            found = self._authorizations.check(token.reveal(), user, console, time.time())
            attempt.reason, attempt.authorization = f"{user}, {minutes:g} minutes", found.number
            return token.reveal()

    def audit(self, caller: Asker, options: Mapping[str, Any]) -> str:
        with _Attempt(self._records, caller, "audit"):
            self._want_officer(caller)
        return audit.table(self._records.records())

    # The representative's.

    def call(self, caller: Asker, options: Mapping[str, Any]) -> str:
        """Get to a console's entrance, by a token."""
        with self._attempt_to_get_in(caller, "call", options) as attempt:
            return self._get_to_entrance(attempt, options)

    def connect(self, caller: Asker, options: Mapping[str, Any]) -> str:
        """Get to a console's entrance, by a token, and begin a session, which uses the token up.

        Who is at the entrance already has shown a token.
        """
        with self._attempt_to_get_in(caller, "connect", options) as attempt:
            if not self._is_at_entrance(caller):
                self._get_to_entrance(attempt, options)
            try:
                words = self._way_in.authenticate(options)
            except LabError:
                self.leave()
                raise
        self.note_begun()
        return words

    @property
    def more_verbs(self) -> tuple[str, ...]:
        """What the way in has beside."""
        return tuple(self._way_in.verbs)

    def use(self, verb: str, caller: Asker, options: Mapping[str, Any]) -> str:
        """Do what the way in has beside, for whoever is there."""
        self.look()
        with _Attempt(self._records, caller, verb, self._visited):
            self._want_own_visit(caller)
            return self._way_in.verbs[verb](options)

    def run(
        self, caller: Asker, options: Mapping[str, Any], uid: int, streams: Sequence[int]
    ) -> Popen[bytes]:
        """Start a program in the caller's session."""
        self.look()
        argv = [str(word) for word in options["command"]]
        with _Attempt(self._records, caller, "run", self._visited) as attempt:
            self._want_own_visit(caller, in_session=True)
            attempt.reason = argv[0]
            return self._way_in.run(argv, uid, streams)

    def hang_up(self, caller: Asker, options: Mapping[str, Any]) -> str:
        """End the caller's session; an officer may end anybody's."""
        self.look()
        with _Attempt(self._records, caller, "hang-up", self._visited):
            if caller.user != OFFICER:
                self._want_own_visit(caller)
            self.leave()
        return self._status()

    def status(self, caller: Asker, options: Mapping[str, Any]) -> str:
        """Whether a session stands."""
        self.look()
        with _Attempt(self._records, caller, "status", self._visited):
            if caller.user != OFFICER:
                self._want_login(caller)
            return self._status()

    def refuse(self, caller: Asker) -> str:
        """Record that a user wanted something else than a verb; the words for the user."""
        with _Attempt(self._records, caller, "unknown") as attempt:
            attempt.fault = Denial.no_tool
        return str(AccessDenied(Denial.no_tool))

    # The visit.

    def note_begun(self) -> None:
        """A session of whoever is at the entrance has begun: record it, and let the token serve no other."""
        visit = self._visit
        assert visit is not None, "nobody gets to the entrance otherwise"
        self._authorizations.use_up(visit.token)
        with self._changing:
            self._visit = replace(visit, in_session=True)
            self._note_session("begun")

    def look(self) -> None:
        """Record the end of a session that has ended."""
        with self._changing:
            if self.in_session and not self._way_in.connected:
                self.leave()

    def leave(self) -> None:
        """End the session, whoever has it, and leave the entrance. Does nothing if there is none."""
        with self._changing:
            self._way_in.leave()
            if self.in_session:
                self._note_session("ended")
            self._visit = None

    @property
    def in_session(self) -> bool:
        """Whether a session has begun, the end of which is not recorded yet."""
        return self._visit is not None and self._visit.in_session

    @property
    def visited(self) -> bool:
        """Whether somebody is at a console's entrance, or in a session."""
        return self._visit is not None

    def note_log_in(self, user: str, address: str, fault: str) -> None:
        """Record an attempt to log in; ``fault`` is empty if it succeeded."""
        with _Attempt(self._records, Asker(user, address), "log-in") as attempt:
            attempt.fault = fault
        self.refusals += bool(fault)

    def _is_at_entrance(self, caller: Asker) -> bool:
        visit = self._visit
        own = visit is not None and visit.caller.user == caller.user and caller.logged_in
        return own and not self.in_session

    def _get_to_entrance(self, attempt: _Attempt, options: Mapping[str, Any]) -> str:
        caller, console = attempt.caller, attempt.console
        self._want_login(caller)
        token = str(options.get("token") or "")
        found = self._authorizations.check(token, caller.user, console, time.time())
        attempt.authorization = found.number
        if self._is_at_entrance(caller):
            self.leave()
        if self._visit is not None:
            raise UsageError("a session stands already", hint="lab-service hang-up")
        words = self._way_in.knock(options)
        self._visit = _Visit(caller, console, found.number, token)
        return words

    def _attempt_to_get_in(self, caller: Asker, verb: str, options: Mapping[str, Any]) -> _Attempt:
        self.look()
        return _Attempt(self._records, caller, verb, self._console(options))

    def _note_session(self, what: str) -> None:
        visit = self._visit
        assert visit is not None, "it has begun"
        with _Attempt(self._records, visit.caller, "session", visit.console) as attempt:
            attempt.reason, attempt.authorization = what, visit.authorization

    def _status(self) -> str:
        visit = self._visit
        if visit is None:
            return "no session stands"
        what = "in a session with" if visit.in_session else "at the entrance of"
        return f"{visit.caller.user} is {what} {visit.console}"

    @property
    def _visited(self) -> str:
        return self._visit.console if self._visit else ""

    def _console(self, options: Mapping[str, Any]) -> str:
        console = str(options.get("console") or self._consoles[0])
        check_known("console", console, self._consoles)
        return console

    # Who may what.

    def _want_officer(self, caller: Asker) -> None:
        if caller.user != OFFICER:
            raise AccessDenied(Denial.no_officer)

    def _want_login(self, caller: Asker) -> None:
        if not caller.logged_in:
            raise AccessDenied(Denial.no_login)

    def _want_own_visit(self, caller: Asker, *, in_session: bool = False) -> None:
        self._want_login(caller)
        visit = self._visit
        if visit is None or (in_session and not visit.in_session):
            raise AccessDenied(Denial.no_session)
        if visit.caller.user != caller.user:
            raise AccessDenied(Denial.other_session)


class _Attempt:
    """Writes the record of an attempt when the attempt is over."""

    def __init__(self, records: Audit, caller: Asker, verb: str, console: str = "") -> None:
        self.caller = caller
        self.console = console
        self.reason = ""
        self.fault = ""
        """Why it was refused, where no error says so."""
        self.authorization = 0
        self._records = records
        self._verb = verb

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        outcome, reason = AuditOutcome.done, self.reason
        if isinstance(error, AccessDenied):
            outcome, reason = AuditOutcome.refused, str(error.reason)
        elif self.fault:
            outcome, reason = AuditOutcome.refused, self.fault
        elif isinstance(error, LabBroke):
            outcome, reason = AuditOutcome.failed, "the lab broke"
        elif isinstance(error, LabError):
            outcome, reason = AuditOutcome.failed, error.message
        elif error is not None:
            return
        self._records.note(
            Audited(
                source=self._records.source,
                user=self.caller.user,
                address=self.caller.address,
                console=self.console,
                verb=self._verb,
                outcome=outcome,
                reason=reason,
                authorization=self.authorization,
            )
        )
