"""Activation: nothing is reported, and no service runs, before IBM's side has been reached (E-12)."""

from __future__ import annotations

from collections.abc import Callable

from lab.agent import storage
from lab.agent.calendar import Calendar
from lab.agent.courier import Courier
from lab.agent.heartbeat import AGENT
from lab.agent.reports import HEARTBEAT, Reports
from lab.agent.settings import IBM
from lab.agent.spool import new_report
from lab.agent.state import ACTIVATION, AgentState
from lab.errors import LabError, PathError, UsageError

TEST = "Performing Connectivity Test ... "
"""As the slides of 2008 show it."""
_REPORT = "activation"
"""How the identifiers begin of the heartbeats that test the connection."""


def activate(state: AgentState, courier: Courier, say: Callable[[str], None]) -> None:
    """Enrol the machines, send a heartbeat for each, and register the service if that arrives.

    ``say`` gets the lines for people. Raises UsageError where the vendor is not IBM, before anything is sent
    (E-17), and PathError if a heartbeat does not arrive: then nothing is registered. Whatever error ends it,
    no heartbeat waits: each was a test. An enrolment waits, as IBM may have answered it: whoever enrols
    next gets the same answer.
    """
    check_vendor(state)
    if state.settings.hmc_managed:
        say("No activation is needed: the HMC has this partition send its inventory (E-16)")
        return
    _withdraw(state)  # Of an activation that was killed.
    reports = Reports(state)
    try:
        # A service that runs already must not send them first: the answers are for whoever activates.
        with courier.trip() as trip:
            sent_for = [
                reports.regular(HEARTBEAT, machine, new_report(_REPORT))
                for machine in state.settings.machines
            ]
            sent = trip.send()
        missing = [entry.machine for entry in sent_for if not sent.has(entry.report)]
        if missing:
            raise PathError(
                f"no heartbeat of {', '.join(missing)} arrived: {sent.why}; the service is not registered",
                hint="`lab agent test` says which way to which server fails; then activate again",
            )
    # Also Ctrl-C: whoever activates hears that the test did not succeed, and nothing of it waits.
    except BaseException as error:
        say(f"{TEST}FAILURE")
        _withdraw(state)
        why = error.message if isinstance(error, LabError) else type(error).__name__
        state.book.note("activation-failed", why=why)
        raise
    say(f"{TEST}SUCCESS")
    Calendar(state).done(HEARTBEAT)  # The next one is due a day later (E-14).
    activated = {"activated": True, "since": state.now(), "agent": AGENT}
    storage.write_json(state.file(ACTIVATION), activated)
    state.book.note("activated")


def _withdraw(state: AgentState) -> None:
    """Take the heartbeats of an activation out of the queue: each was a test, and the test is over."""
    try:
        for entry in state.spool.entries():
            if entry.report.startswith(f"{_REPORT}-"):
                state.spool.remove(entry)
    except (OSError, LabError) as error:  # The next activation tries again.
        state.tell(f"a heartbeat of the activation stays in {state.spool.folder}: {error}")


def deactivate(state: AgentState) -> bool:
    """Report nothing any more; what is queued stays. Whether it was active."""
    active = state.activated
    if active:
        storage.write_json(state.file(ACTIVATION), {"activated": False, "since": state.now()})
        state.book.note("deactivated")
    return active


def check_vendor(state: AgentState) -> None:
    """Raises UsageError where the system is not IBM's (E-17)."""
    if state.settings.vendor.strip().upper() != IBM:
        raise UsageError(
            f"the agent does not activate: the system vendor is {state.settings.vendor!r}, and not {IBM}",
            hint=f'on a system of {IBM}, write vendor = "{IBM}" in {state.settings.source}',
        )


def check_activated(state: AgentState) -> None:
    """Raises PathError before the activation has succeeded, UsageError where none is needed."""
    check_vendor(state)
    if state.settings.hmc_managed:
        raise UsageError(
            "no service runs on a partition that an HMC manages (E-16)",
            hint="the HMC calls `lab agent inventory`; else write hmc_managed = false",
        )
    if not state.activated:
        raise PathError(
            "the agent is not activated, so the service is not registered",
            hint=f"lab agent activate --settings {state.settings.source}",
        )
