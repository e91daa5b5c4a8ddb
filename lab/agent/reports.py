"""Makes reports: collects what a machine has to say, and queues it (OUT-18); nothing is sent here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lab.agent.collect import FILE_BYTES, Collector, reason_for
from lab.agent.heartbeat import AGENT
from lab.agent.problems import QUEUED
from lab.agent.settings import Monitored
from lab.agent.spool import Queued, new_report
from lab.agent.state import AgentState
from lab.errors import UsageError

HEARTBEAT, INVENTORY, PERFORMANCE, PROBLEM, DATA = (
    "heartbeat", "inventory", "performance", "problem", "data",
)  # fmt: skip
EXTENDED = "extended-error-data"
CLOSE = "close-problem"
SEVERITIES = range(1, 5)
TEXT_CHARACTERS = 1000
"""Of a problem's text; more is cut off."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Reports:
    """The reports of an agent's machines. Each function returns what it has queued.

    All raise UsageError for a reason that the generation does not have, and StorageError.
    """

    def __init__(self, state: AgentState) -> None:
        self._state = state
        settings = state.settings
        self._generation = settings.generation
        self._collector = Collector(settings.generation, settings.machine_files)

    def regular(self, kind: str, machine: Monitored, report: str = "", reason: str = "") -> Queued:
        """A heartbeat, an inventory or performance data."""
        reason = reason_for(self._generation, reason or kind, kind).name
        now = self._state.now()
        members: dict[str, object] = {"collected": now, "reason": reason}
        if kind == HEARTBEAT:
            members["agent"] = AGENT
        else:
            files = self._collector.texts(machine, reason)
            if not files:
                raise UsageError(
                    f"{machine.name} has nothing to send for {reason}",
                    hint="put a file of the papers' tables into machine_files: `lab agent collect`",
                )
            members["files"] = files
            if kind == INVENTORY and self._state.settings.contact is not None:
                members["contact"] = self._state.settings.contact.as_dict()
            self._collected(machine, reason, [*files])
        return self._queue(kind, machine, reason, members, report)

    def problem(self, machine: Monitored, told: Mapping[str, Any], report: str = "") -> Queued:
        """A problem: ``told`` has reference_code, severity, text and perhaps occurred and reason.

        Raises UsageError for what makes no sense.
        """
        if self._state.settings.hmc_managed:
            raise UsageError(
                "a partition that an HMC manages reports no hardware problems: the HMC does (S1)",
                hint="report it there; else write hmc_managed = false",
            )
        members = checked_problem(told)
        reason = reason_for(self._generation, str(told.get("reason", PROBLEM)), PROBLEM).name
        occurred = told.get("occurred", self._state.now())
        members |= {"occurred": occurred, "reason": reason}
        self._collected(machine, reason, [])
        entry = self._queue(PROBLEM, machine, reason, members, report)
        self._state.problems.note(
            entry.report, machine=machine.name, state=QUEUED, **json.loads(entry.content)
        )
        return entry

    def data(
        self, machine: Monitored, problem: str, name: str, content: bytes, report: str = ""
    ) -> Queued:
        """One file of bulk data for a problem that has been reported, or is queued."""
        reason = reason_for(self._generation, EXTENDED, DATA).name
        if not self._collector.may_send(machine, name) or not _FILE_NAME.fullmatch(name):
            raise UsageError(
                f"{self._generation} sends no file {name!r}",
                hint="only files of the papers' tables are sent (E-11): `lab agent collect` lists them",
            )
        if not 0 < len(content) <= FILE_BYTES:
            raise UsageError(
                f"{name} has {len(content)} bytes", hint=f"IBM's side takes 1 to {FILE_BYTES} bytes"
            )
        return self._add(
            Queued(
                report=report or new_report(DATA), kind=DATA, machine=machine.name, reason=reason,
                collected=self._state.now(), about=problem, name=name, content=content,
            )
        )  # fmt: skip

    def extended(self, machine: Monitored, problem: str) -> list[Queued]:
        """Every file of the machine that is sent with a problem, where the generation sends any.

        The same problem gives the same identifiers: to do this twice queues nothing twice.
        """
        files = [*self._collector.all(machine, EXTENDED)]
        self._collected(machine, EXTENDED, [name for name, _ in files])
        return [
            self.data(machine, problem, name, content, f"data-{number}-{problem}"[:64])
            for number, (name, content) in enumerate(files, 1)
        ]

    def has(self, reason: str) -> bool:
        """Whether the generation connects for a reason at all."""
        try:
            reason_for(self._generation, reason)
        except UsageError:
            return False
        return True

    def _collected(self, machine: Monitored, reason: str, names: list[str]) -> None:
        files = ", ".join(names)
        self._state.book.note("collected", machine=machine.name, reason=reason, files=files)

    def _queue(
        self, kind: str, machine: Monitored, reason: str, members: dict[str, object], report: str
    ) -> Queued:
        return self._add(
            Queued(
                report=report or new_report(kind), kind=kind, machine=machine.name, reason=reason,
                collected=self._state.now(), content=json.dumps(members).encode(),
            )
        )  # fmt: skip

    def _add(self, entry: Queued) -> Queued:
        placed = self._state.spool.add(entry)
        self._state.book.note(
            "queued", report=placed.report, kind=placed.kind, machine=placed.machine,
            reason=placed.reason, about=placed.about, name=placed.name,
        )  # fmt: skip
        return placed


def checked_problem(told: Mapping[str, Any]) -> dict[str, object]:
    """Reference code, severity and text of a problem; UsageError says what is wrong with them."""
    code, severity = told.get("reference_code"), told.get("severity", 1)
    text = told.get("text", "")
    if not isinstance(code, str) or not re.fullmatch(r"[A-Za-z0-9-]{1,32}", code):
        raise UsageError(
            "the problem has no reference code", hint="give 1 to 32 letters and digits: B3036620"
        )
    if isinstance(severity, bool) or not isinstance(severity, int) or severity not in SEVERITIES:
        raise UsageError(f"severity {severity!r} makes no sense", hint="give a number from 1 to 4")
    occurred = told.get("occurred", 0.0)
    if isinstance(occurred, bool) or not isinstance(occurred, int | float) or occurred < 0:
        raise UsageError(f"occurred {occurred!r} is no time", hint="give seconds of the epoch")
    if not isinstance(text, str):
        raise UsageError("the problem's text is no text", hint='write "text": "..."')
    plain = "".join(c if c.isprintable() else " " for c in text)[:TEXT_CHARACTERS]
    return {"reference_code": code, "severity": severity, "text": plain}
