"""The service (``lab agent serve``): keeps the schedule, hears the hardware, sends what is queued.

One thread, which waits for the FIFO, a signal or the next task, and for nothing else. Whatever ends it, the
next one goes on where the files say (``spool``, ``hardware_events``, ``calendar``).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from lab.agent import storage
from lab.agent.access_key import AccessKeys
from lab.agent.activation import check_activated
from lab.agent.calendar import Calendar
from lab.agent.collect import reason_for
from lab.agent.configuration import ConfigurationFile
from lab.agent.courier import Courier, Trip
from lab.agent.fixes import Fixes
from lab.agent.hardware_events import HardwareEvents
from lab.agent.inquiry import NotGiven
from lab.agent.pauses import Pauses
from lab.agent.problems import QUEUED
from lab.agent.reports import EXTENDED, HEARTBEAT, INVENTORY, PERFORMANCE, PROBLEM, Reports
from lab.agent.settings import Monitored, SettingsError
from lab.agent.state import SERVICE, AgentState
from lab.agent.updates import REASON as UPDATE
from lab.agent.updates import Updates
from lab.agent.wanted_test import WantedTests
from lab.errors import LabError, UsageError

CONFIGURATION, ACCESS_KEY, UPDATES = "configuration", "access-key", "updates"
FIX, TEST = "fix", "test"
_ASKED = (CONFIGURATION, ACCESS_KEY, UPDATES)
"""Regular tasks that queue nothing: IBM's side gives something."""
_SETTINGS, _RESTART = "settings", "settings-restart"
"""Alerts: a configuration file that is wrong, and one that holds in part after a restart only."""
LEAP_S = 60.0
"""What two clocks that nobody sets may differ by."""
_LONGEST_S = 30 * 86400.0
"""A wait that ends for nothing: select(2) takes no infinite one."""


class _Stop(BaseException):
    """A signal ends the service in the middle of a sending; what is queued stays queued."""


def wake(state: AgentState) -> bool:
    """Have the service of a state folder look at once at what there is; whether there is one."""
    lock = state.file(SERVICE)
    if not lock.exists():
        return False
    with storage.locked(lock, wait=False) as nobodys:
        if nobodys:
            return False
        try:
            os.kill(int(lock.read_text()), signal.SIGHUP)
        except (ValueError, ProcessLookupError, PermissionError):
            return False
    return True


class Standing:
    """The service; ``run`` returns after SIGTERM or SIGINT. SIGHUP has it send what is queued."""

    def __init__(
        self,
        state: AgentState,
        courier: Courier,
        *,
        counted: Callable[[], float] = time.monotonic,
    ) -> None:
        """``counted`` is a clock that nobody sets."""
        self._state = state
        self._courier = courier
        self._counted = counted
        self._fixes = Fixes(state)
        self._tests = WantedTests(state)
        settings = state.settings
        storage.sweep_dead(state.folder)
        self._begin()
        self._events = HardwareEvents(settings.events, state.folder) if settings.events else None
        self._failed: set[str] = set()
        """Work of the agent's own that did not succeed, and comes again with ``_retry_at``."""
        self._retry_at = counted()
        """When what could not be done is tried again; at the beginning: what an earlier one left."""
        self._ended = self._interruptible = False
        self._looked = state.now(), counted()

    def _begin(self) -> None:
        """Make what goes by the settings; what ran when is in a file."""
        state = self._state
        self._reports = Reports(state)
        self._calendar = Calendar(state, self._counted)
        self._pauses = Pauses(state.settings.retry_s, steady=(FIX,))  # For a fix somebody waits.

    def run(self) -> None:
        """Serve until a signal ends it. Raises LabError where it cannot even begin."""
        state = self._state
        check_activated(state)
        storage.make_folder(state.folder)
        with contextlib.ExitStack() as stack:
            lock = state.file(SERVICE)
            if not stack.enter_context(storage.locked(lock, wait=False)):
                raise UsageError(
                    f"the agent of {state.folder} is running already",
                    hint="end that one first (SIGTERM), or write another `state` in the settings",
                )
            lock.write_text(f"{os.getpid()}\n")
            if self._events is not None:
                self._events.open()
                stack.callback(self._events.close)
            wake = stack.enter_context(self._signals())
            if state.settings.web is not None:
                from lab.agent.web.interface import interface  # Few agents have one.

                stack.enter_context(interface(state))
            if state.settings.imm is not None:
                from lab.agent.imm.hearing import hearing  # Few have a management module.

                stack.enter_context(hearing(state))
            for key in (_SETTINGS, _RESTART):
                state.alerts.clear(key)
            state.book.note("started", pid=os.getpid())
            state.tell("the service runs")
            self._loop(wake)
            state.book.note("ended")
            state.tell("the service has ended")

    def _loop(self, wake: int) -> None:
        waited = [wake, *([self._events.fileno()] if self._events else [])]
        while not self._ended:
            with contextlib.suppress(_Stop):
                self.step()
            if self._ended:
                break
            ready, _, _ = select.select(waited, [], [], min(self.wait_s(), _LONGEST_S))
            if wake in ready and b"h" in os.read(wake, 512):
                self._renew()
                self._retry_at = self._counted()
            if not self._state.activated:
                self._state.tell("the agent was deactivated")
                self._ended = True

    def _renew(self) -> None:
        """Go by the configuration file, if somebody has changed it; nothing that waits is lost."""
        state = self._state
        try:
            later = state.renew()
        except SettingsError as error:
            state.alerts.sound(_SETTINGS, f"the former settings hold: {error.message}", error.hint)
            return
        if later is None:
            return
        state.alerts.clear(_SETTINGS)
        self._begin()
        state.book.note("settings-taken-up", after_restart=", ".join(later))
        state.tell(f"the service goes by {state.settings.source} as it is now")
        if later:
            what = f"after a restart of the service: {', '.join(later)}"
            state.alerts.sound(_RESTART, f"a change holds only {what}", "restart the service")
        else:
            state.alerts.clear(_RESTART)

    def step(self) -> None:
        """Do what is to be done now: hear, collect, send."""
        self._look_at_clock()
        before = len(self._state.spool)
        again = self._counted() >= self._retry_at
        if again:
            self._retry_at = float("inf")
        self._attempt("events", self._hear)
        for task in self._calendar.due():
            if task not in _ASKED and (again or task not in self._failed):
                self._attempt(task, self._collect, task)
        if self._tests.wanted and (again or TEST not in self._failed):
            self._attempt(TEST, self._test)
        waiting = len(self._state.spool)
        go = self._to_ask() or (waiting and (again or waiting > before))
        if go and not self._attempt("sending", self._go):
            for each in self._to_ask():
                self._pauses.begin(each, self._counted(), reached=False)
        if self._failed or len(self._state.spool):
            self._retry_at = min(self._retry_at, self._counted() + self._state.settings.retry_s)

    def _look_at_clock(self) -> None:
        """Say that the machine's clock was set, if it was."""
        wall, counted = self._state.now(), self._counted()
        leapt = (wall - self._looked[0]) - (counted - self._looked[1])
        self._looked = wall, counted
        if abs(leapt) >= LEAP_S:
            self._state.book.note("clock-leapt", seconds=round(leapt))
            self._state.tell(
                f"the machine's clock was set by {leapt:+.0f} s: nothing is lost, and regular tasks go on by "
                "the time that has passed\n  hint: let NTP keep the clock, so that reports have true times"
            )

    def _to_ask(self) -> list[str]:
        """What IBM's side is to give now."""
        due = [task for task in self._calendar.due() if task in _ASKED]
        wanted = [FIX] if self._fixes.wanted else []
        asked = [*due, *wanted]
        self._pauses.keep(asked)
        return [each for each in asked if self._pauses.over(each, self._counted())]

    def wait_s(self) -> float:
        """How long there is nothing to do."""
        now = self._counted()
        regular = self._calendar.wait_s(without=self._failed | self._pauses.names)
        return min(max(0.0, self._retry_at - now), self._pauses.wait_s(now), regular)

    def _attempt(self, what: str, do: Callable[..., None], *args: object) -> bool:
        """One part of the work; what does not work is told, and comes again: the service goes on."""
        failed = self._try(what, do, *args) is not None
        (self._failed.add if failed else self._failed.discard)(what)
        return not failed

    def _try(self, what: str, do: Callable[..., None], *args: object) -> LabError | None:
        try:
            do(*args)
        except LabError as error:
            self._state.alerts.sound(f"step-{what}", f"{what}: {error.message}", error.hint)
            return error
        self._state.alerts.clear(f"step-{what}")
        return None

    def _collect(self, task: str) -> None:
        """Queue a regular report of each machine, where the generation has such reports."""
        if task == HEARTBEAT:
            self._state.problems.forget_old()
        if self._reports.has(task):
            for machine in self._state.settings.machines:
                self._reports.regular(task, machine, self._calendar.report(task, machine.serial))
        self._calendar.done(task)

    def _go(self) -> None:
        """Send, and ask for what is due."""
        with self._courier.trip() as trip, self._interruption():
            if trip.send().acknowledged:
                self._pauses.ibm_reached(self._counted())
            for task in self._to_ask():
                error = self._try(task, self._ask, task, trip)
                if error is None:
                    self._pauses.end(task)
                else:
                    reached = isinstance(error, NotGiven) and error.reached
                    self._pauses.begin(task, self._counted(), reached=reached)

    def _test(self) -> None:
        """On a trip of its own: no way has been passed over yet."""
        with self._courier.trip() as trip, self._interruption():
            self._tests.run(trip.roads)

    @contextlib.contextmanager
    def _interruption(self) -> Iterator[None]:
        """A signal may end what is done here."""
        self._interruptible = True
        try:
            if self._ended:
                raise _Stop
            yield
        finally:
            self._interruptible = False

    def _ask(self, task: str, trip: Trip) -> None:
        settings = self._state.settings
        if task == FIX:
            self._fixes.fetch_wanted(trip.roads)
            return
        if task == CONFIGURATION:
            if self._state.directory.servers(CONFIGURATION):
                ConfigurationFile(self._state).refresh(trip.roads)
        elif task == UPDATES:
            for machine in settings.machines[:1] if self._reports.has(UPDATE) else ():
                Updates(self._state).fetch(machine, trip.roads)
        elif self._reports.has(ACCESS_KEY):
            keys = AccessKeys(self._state)
            for machine in settings.machines:
                keys.update(machine, trip.roads)
        self._calendar.done(task)

    def _hear(self) -> None:
        """Queue what the hardware has told."""
        if self._events is not None:
            self._events.take(self._deal, self._wrong)

    def _deal(self, report: str, event: dict[str, Any]) -> None:
        state = self._state
        known = state.problems.all().get(report)
        if known is not None and known.get("state") != QUEUED:
            return  # It was sent, and the program ended before it could note that the line is done.
        try:
            if event.get("kind") == TEST:  # No reason of the papers': nothing is told to IBM.
                self._tests.want(str(event.get("result", "")))
                return
            machine = self._machine(str(event.get("machine", "")))
            reason = reason_for(state.settings.generation, str(event.get("reason", PROBLEM)))
            if reason.kind == PROBLEM:
                self._reports.problem(machine, event, report)
                if self._reports.has(EXTENDED):
                    self._reports.extended(machine, report)
            elif reason.kind in (HEARTBEAT, INVENTORY, PERFORMANCE):
                self._reports.regular(reason.kind, machine, report, reason.name)
            elif reason.kind == FIX:
                self._fixes.want(machine)
            else:
                raise UsageError(
                    f"an event cannot ask for {reason.name}", hint="reasons of reports can"
                )
        except UsageError as error:
            self._wrong(f"an event makes no sense, and is left out: {error.message}; {error.hint}")

    def _machine(self, name: str) -> Monitored:
        machines = self._state.settings.machines
        found = [each for each in machines if name in ("", each.name, each.serial)]
        if not found:
            known = ", ".join(each.name for each in machines)
            raise UsageError(f"there is no machine {name!r}", hint=f"known: {known}")
        return found[0]

    def _wrong(self, what: str) -> None:
        self._state.tell(what)
        self._state.book.note("event-left-out", why=what)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[int]:
        """A descriptor that can be read after a signal; the former handlers are put back at the end."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def heed(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGHUP:
                os.write(writing, b"h")
                return
            self._ended = True
            os.write(writing, b"e")
            if self._interruptible:
                raise _Stop

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        former = {number: signal.signal(number, heed) for number in numbers}
        try:
            yield reading
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            os.close(reading)
            os.close(writing)
