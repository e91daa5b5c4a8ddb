"""What a service with a management module does: subscribes, hears, and makes a report of each failure.

The settings are ``[imm]``. A subscription that cannot be had is tried again, and one that was had is looked
after once a day: a module that was replaced or reset knows nobody.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.agent.imm.notices import PATH, HardwareFailure, NoticeDesk
from lab.agent.imm.subscribing import ImmAccess, NoSubscription, subscribe
from lab.agent.problems import QUEUED
from lab.agent.reports import EXTENDED, Reports
from lab.agent.settings import AgentSettings, SettingsError
from lab.agent.state import AgentState
from lab.agent.web import certificate, listening
from lab.names import did_you_mean
from lab.secret import Secret

PORT = 5990
"""Where notices are taken: IANA has it as wbem-exp-https."""
RETRY_S, REFRESH_S = 600.0, 86400.0
SEVERITIES = {"fatal": 1, "critical": 1, "major": 2, "minor": 3, "warning": 4}
"""A problem's severity, by the module's."""
ALERT = "no-management-module"
_KEYS = ("host", "user", "password", "ca_file", "port")
_END_S = 60.0


@dataclass(frozen=True, slots=True)
class ImmPlan:
    """What ``[imm]`` says."""

    access: ImmAccess
    port: int


def plan(settings: AgentSettings) -> ImmPlan | None:
    """None without ``[imm]``. Raises SettingsError with everything that is wrong in it."""
    if settings.imm is None:
        return None
    given, problems = settings.imm, []
    for key in given:
        if key not in _KEYS:
            problems.append(f"imm.{key} is not known; {did_you_mean(key, _KEYS)}")
    for key in ("host", "user", "password", "ca_file"):
        value = given.get(key, "" if key == "ca_file" else None)
        if not isinstance(value, str) or not (value or key == "ca_file"):
            problems.append(f'imm.{key} is missing or no text; write {key} = "..."')
    port = given.get("port", PORT)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        problems.append(f"imm.port is no port; write a number from 1 to 65535, such as {PORT}")
    if problems:
        raise SettingsError(str(settings.source), problems)
    ca_file = given.get("ca_file", "")
    access = ImmAccess(
        given["host"],
        given["user"],
        Secret(given["password"]),
        str(settings.source.parent / ca_file) if ca_file else "",
    )
    return ImmPlan(access, int(port))


@contextlib.contextmanager
def hearing(state: AgentState) -> Iterator[None]:
    """Subscribe and hear while the ``with`` block runs, if the settings have ``[imm]``.

    Inside it the process has to take SIGHUP for the wish to send what is queued. Raises LabError.
    """
    planned = plan(state.settings)
    if planned is None:
        yield
        return
    with (
        AgentState(state.settings, state.tell) as own,
        listening.listener("", planned.port, "[imm], port") as listener,
    ):
        ear = _Ear(own, planned)
        desk = NoticeDesk(ear.senders, ear.report, own.now, own.tell)
        files = certificate.own(state.folder)
        with listening.serving(desk, listening.context(*files), listener), ear.subscribing():
            yield


class _Ear:
    """The subscription, and what becomes of notices."""

    def __init__(self, state: AgentState, planned: ImmPlan) -> None:
        """``state`` is for this object alone."""
        self._state = state
        self._planned = planned
        self._reports = Reports(state)
        self._lock = threading.Lock()
        """One notice at a time."""
        self._ended = threading.Event()

    def senders(self) -> tuple[str, ...]:
        """The module's addresses."""
        with contextlib.suppress(OSError):  # a name that nobody knows just now
            found = socket.getaddrinfo(self._planned.access.host, None, type=socket.SOCK_STREAM)
            return tuple(str(each[4][0]) for each in found)
        return ()

    def report(self, failure: HardwareFailure) -> None:
        """Queue a problem, once however often it is told, with the machine's error data. Raises LabError."""
        report = f"imm-{failure.identifier}"
        machine = self._state.settings.machines[0]
        told: dict[str, Any] = {
            "reference_code": re.sub("[^A-Za-z0-9-]", "-", failure.reference_code)[:32],
            "severity": SEVERITIES[failure.severity],
            "text": failure.text,
            "occurred": max(0.0, failure.occurred),
        }
        with self._lock:
            known = self._state.problems.all().get(report)
            if known is not None and known.get("state") != QUEUED:
                return
            self._reports.problem(machine, told, report)
            if self._reports.has(EXTENDED):
                self._reports.extended(machine, report)
        os.kill(os.getpid(), signal.SIGHUP)

    @contextlib.contextmanager
    def subscribing(self) -> Iterator[None]:
        thread = threading.Thread(name="imm", target=self._keep_subscribed, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(_END_S)

    def _keep_subscribed(self) -> None:
        state, access = self._state, self._planned.access
        while not self._ended.is_set():
            try:
                port = subscribe(access, state.settings.machines[0].name, self._url, state.tell)
            except NoSubscription as error:
                state.alerts.sound(
                    ALERT,
                    f"the management module does not notify the agent: {error}",
                    f"look at [imm] in the settings; the next try is in {RETRY_S / 60:g} minutes",
                )
                state.book.note("imm-not-subscribed", server=access.host, why=str(error))
                self._ended.wait(RETRY_S)
            else:
                state.alerts.clear(ALERT)
                state.tell(f"imm: subscribed at {access.host} port {port}")
                state.book.note("imm-subscribed", server=access.host, port=port)
                self._ended.wait(REFRESH_S)

    def _url(self, address: str) -> str:
        """Where notices are sent to: the address from which the module was reached."""
        host = f"[{address}]" if ":" in address else address
        return f"https://{host}:{self._planned.port}{PATH}"
