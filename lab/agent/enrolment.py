"""How a machine gets its ID and password (E-06), and what is done when no password holds any more (E-10).

Nobody here sets a password: the agent asks IBM's side for a reset, and enrols again once IBM has done that.
"""

from __future__ import annotations

import json
from typing import Any

from lab.agent.credentials import AgentLogIn
from lab.agent.heartbeat import AGENT
from lab.agent.session import ReceiverSession
from lab.agent.settings import DAY_S, Monitored
from lab.agent.spool import Queued, new_report
from lab.agent.state import AgentState
from lab.secret import Secret

KIND = "enrolment"
REASK_S = 7 * DAY_S
"""A reset is asked for again after so long: IBM's people may have overlooked the first request."""


class Enrolment:
    """Enrolments of an agent's machines, for one sending."""

    def __init__(self, state: AgentState) -> None:
        self._state = state
        self.needed = False
        """Whether a password was refused in this sending, so that an enrolment was queued."""

    def queue_missing(self) -> None:
        """Queue an enrolment for each machine that is not enrolled, and has none in the queue."""
        state = self._state
        waiting = {}
        for entry in state.spool.entries():
            if entry.kind == KIND:
                log_in = state.credentials.of(entry.machine)
                if log_in is not None and log_in.enrolled_by == entry.report:
                    # The program ended when it had stored the answer.
                    state.book.note(
                        "acknowledged", report=entry.report, kind=KIND, machine=entry.machine
                    )
                    state.spool.remove(entry)
                else:
                    waiting[entry.machine] = entry
        for machine in state.settings.machines:
            if machine.name not in waiting and state.credentials.of(machine.name) is None:
                self._queue(machine)

    def accepted(self, entry: Queued, members: dict[str, Any]) -> bool:
        """Store what IBM's side gives; False if its answer has no ID and password."""
        state = self._state
        given, password = members.get("id"), members.get("password")
        if not _is_text(given) or ":" in str(given) or not _is_text(password):
            return False
        log_in = AgentLogIn(
            id=str(given),
            password=Secret(str(password)),
            enrolled_by=entry.report,
            changed=state.now(),
        )
        state.credentials.keep(entry.machine, log_in)
        state.book.note("enrolled", machine=entry.machine, id=log_in.id, report=entry.report)
        state.alerts.clear(_reset(entry.machine))
        state.alerts.clear(_refused(entry.machine))
        return True

    def known_already(self, session: ReceiverSession, entry: Queued) -> str:
        """IBM's side has enrolled the machine before: ask for a reset; what is waited for, in words."""
        state = self._state
        machine = next((m for m in state.settings.machines if m.name == entry.machine), None)
        since = state.alerts.all().get(_reset(entry.machine), {}).get("since")
        waits = f"IBM knows {entry.machine} by a password that this agent does not have"
        if machine is None or (since is not None and 0 <= state.now() - since < REASK_S):
            return waits
        content = json.dumps({"machine": machine.as_dict()}).encode()
        reply = session.ask("POST", "/service/resets", content)
        if not reply.done:
            return f"{waits}; a reset was asked for, and refused: {reply.problem}"
        state.book.note("reset-asked", machine=entry.machine, server=session.server.url)
        state.alerts.clear(_reset(entry.machine))
        state.alerts.sound(
            _reset(entry.machine),
            f"{waits}; a reset is asked for, and reports stay queued",
            "IBM carries the reset out, and the agent then enrols by itself; call IBM if it takes long",
        )
        return waits

    def password_refused(self, machine: str) -> None:
        """No password of a machine holds: enrol again, which works after a reset."""
        state = self._state
        state.alerts.sound(
            _refused(machine),
            f"IBM's servers do not take the password of {machine}; its reports stay queued",
            "the agent asks IBM for a reset by itself; nobody can set a password here (E-10)",
        )
        waiting = {each.machine for each in state.spool.entries() if each.kind == KIND}
        known = next((each for each in state.settings.machines if each.name == machine), None)
        if known is not None and machine not in waiting:
            self._queue(known)
        self.needed = True

    def password_holds(self, machine: str) -> None:
        """The password is taken again: an enrolment that was queued meanwhile is of no use."""
        state = self._state
        if state.alerts.clear(_refused(machine)):
            state.alerts.clear(_reset(machine))
            for entry in state.spool.entries():
                if entry.kind == KIND and entry.machine == machine:
                    state.spool.remove(entry)

    def _queue(self, machine: Monitored) -> None:
        state = self._state
        members: dict[str, object] = {
            "machine": machine.as_dict(),
            "agent": AGENT,
            "ibm_ids": list(state.settings.ibm_ids),
        }
        if state.settings.contact is not None:
            members["contact"] = state.settings.contact.as_dict()
        content = json.dumps(members).encode()
        entry = state.spool.add(
            Queued(
                report=new_report(KIND), kind=KIND, machine=machine.name,
                collected=state.now(), content=content,
            )
        )  # fmt: skip
        state.book.note("queued", report=entry.report, kind=KIND, machine=machine.name)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _refused(machine: str) -> str:
    return f"password-{machine}"


def _reset(machine: str) -> str:
    return f"reset-{machine}"
