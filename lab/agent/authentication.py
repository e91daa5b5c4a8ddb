"""Logging in to IBM's servers: which password, and what an answer says of passwords (E-08, E-09)."""

from __future__ import annotations

from lab.agent.message import Attempt
from lab.agent.session import ReceiverSession, ServiceReply
from lab.agent.state import AgentState
from lab.secret import Secret


class WrongPassword(Exception):
    """The server does not take the password, or takes it no more."""


class Authentication:
    """The log-ins of an agent's machines."""

    def __init__(self, state: AgentState) -> None:
        self._state = state

    def passwords(self, machine: str) -> list[Secret | None]:
        """Those to try for a machine, in order; None stands for no log-in, where no machine is named."""
        log_in = self._state.credentials.of(machine) if machine else None
        return [*log_in.passwords] if log_in else [None]

    def log_in(self, session: ReceiverSession, machine: str, password: Secret | None) -> None:
        """Have the session's next request say ID and password."""
        log_in = self._state.credentials.of(machine)
        if password is not None and log_in is not None:
            session.log_in = f"{log_in.id}:{password.reveal()}"

    def heed(self, machine: str, reply: ServiceReply, password: Secret) -> None:
        """Keep a password that an answer offers, and know which one holds.

        Raises WrongPassword if nothing but the change is served any more, StorageError if the password
        cannot be kept: then it is not used either, and IBM's side offers it again.
        """
        state = self._state
        if reply.done and state.credentials.used(machine, password, state.now()):
            state.book.note("password-changed", machine=machine)
        change = reply.members.get("password_change")
        offered = change.get("password") if isinstance(change, dict) else None
        if isinstance(offered, str) and offered.isprintable() and offered:
            if state.credentials.offer(machine, Secret(offered)):
                state.book.note("password-offered", machine=machine)
            if reply.status == 403:
                raise WrongPassword


def tried(attempt: Attempt) -> dict[str, object]:
    """How far an attempt came that failed, for the ledger."""
    return {
        "kind": attempt.errand,
        "server": attempt.server,
        "proxy": attempt.proxy,
        "address": attempt.address,
        "phase": attempt.phase,
        "cause": str(attempt.cause or ""),
        "why": attempt.why,
    }
