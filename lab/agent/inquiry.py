"""Asks IBM's side for something, which is not queued if nobody answers: a list, a key, a file.

By the same ways and in the same order as reports (``courier``); every attempt is in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab.agent.authentication import Authentication, WrongPassword, tried
from lab.agent.message import ServerUrl
from lab.agent.roads import Road, Roads
from lab.agent.session import ServiceReply, Unanswered, open_session
from lab.agent.state import AgentState
from lab.errors import PathError
from lab.secret import Secret

_HINT = "`lab agent test` says which way to which server fails"


class NotGiven(PathError):
    """No server gives what was asked for; nothing has changed."""

    def __init__(self, what: str, why: str, *, reached: bool, hint: str = _HINT) -> None:
        super().__init__(f"no server gives the {what}: {why}", hint=hint)
        self.reached = reached
        """Whether a server answered at all."""


class NotTaken(Exception):
    """What a server gives is not taken; another one may give better."""


class Inquiry:
    """Asks by the ways of one sending."""

    def __init__(self, state: AgentState, roads: Roads) -> None:
        self._state = state
        self._roads = roads
        self._authentication = Authentication(state)
        self._why = ""
        self._reached = False

    def ask(
        self,
        what: str,
        path: str,
        servers: Sequence[ServerUrl],
        *,
        machine: str = "",
        take: Callable[[ServiceReply], None] = lambda reply: None,
    ) -> ServiceReply:
        """The first success that ``take`` takes (or raises NotTaken for); raises NotGiven if there is none.

        With a ``machine`` its log-in is said, and nothing is asked before it has one (E-06); without one the
        request is anonymous.
        """
        if machine and self._state.credentials.of(machine) is None:
            hint = "`lab agent enrol` says why that has not worked"
            raise NotGiven(what, f"{machine} is not enrolled", reached=False, hint=hint)
        self._why, self._reached = f"[servers] has none for {what}", False
        wrong = False
        for road in self._roads.usable():
            for server in servers:
                if not road.closed:
                    for password in self._authentication.passwords(machine):
                        reply = self._at(road, server, what, path, machine, password)
                        if reply is not None and self._fits(reply, road, server, take):
                            return reply
                        if reply is None or reply.status != 401:
                            break
                    else:
                        wrong = True
            if wrong:  # Another way leads to the same servers (OUT-14).
                break
        raise NotGiven(what, self._why, reached=self._reached)

    def _at(
        self,
        road: Road,
        server: ServerUrl,
        what: str,
        path: str,
        machine: str,
        password: Secret | None,
    ) -> ServiceReply | None:
        state = self._state
        try:
            with open_session(
                server, road.setting.proxy, state.context, errand=what, family=state.settings.family
            ) as session:
                self._reached = self._reached or not server.clear
                self._authentication.log_in(session, machine, password)
                reply = session.ask("GET", path)
        except Unanswered as failed:
            state.book.note("failed", machine=machine, way=road.name, **tried(failed.attempt))
            self._why = f"way {road.name}: {failed.attempt.sentence}"
            if failed.of_way:
                self._roads.close(road, failed.attempt.why)
            return None
        state.book.note(
            "answered" if reply.done else "refused",
            kind=what, machine=machine, way=road.name, server=server.url,
            address=session.attempt.address, proxy=session.attempt.proxy,
            why="" if reply.done else reply.problem,
        )  # fmt: skip
        if password is not None:
            try:
                self._authentication.heed(machine, reply, password)
            except WrongPassword:
                self._why = f"{server.url}: the password must be changed first"
        return reply

    def _fits(
        self,
        reply: ServiceReply,
        road: Road,
        server: ServerUrl,
        take: Callable[[ServiceReply], None],
    ) -> bool:
        if not reply.done:
            self._why = f"{server.url}: {reply.problem}"
            return False
        try:
            take(reply)
        except NotTaken as unfit:
            self._why = f"{server.url}, way {road.name}: {unfit}"
            self._state.book.note("unfit", server=server.url, way=road.name, why=str(unfit))
            return False
        return True
