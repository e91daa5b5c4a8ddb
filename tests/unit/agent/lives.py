"""An agent and IBM's receiver on loopback, with a clock that the test sets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lab.agent.book import lines
from lab.agent.courier import Command, Courier, Sent
from lab.agent.reports import Reports
from lab.agent.roads import run_lab_way
from lab.agent.settings import AgentSettings, Monitored, parse
from lab.agent.standing import Standing
from lab.agent.state import AgentState
from lab.ibm.receiver import alone
from lab.ibm.receiver.alone import LoneSite
from lab.record.record import Transaction
from tests.unit.agent.examples import MACHINE

T0 = 1_800_000_000.0
DAY = 86400.0
ERRANDS = "enrolment", "inventory", "problem", "upload"


class AgentLife:
    """One agent with its receiver; ``now`` is the time of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = T0
        self.counted = 0.0
        self.told: list[str] = []
        self.site: LoneSite

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.counted += seconds

    def settings(self, urls: Sequence[str] = (), **more: Any) -> AgentSettings:
        """Settings for the receiver's sites, or for other URLs."""
        servers = {errand: [*(urls or self.site.urls)] for errand in ERRANDS}
        servers["configuration"] = [*(urls or self.site.urls), self.site.clear_url]
        servers["fix"] = [self.site.clear_url]
        members = {
            "state": "agent",
            "ca_file": str(self.site.ca_file),
            "configuration_key": str(self.site.configuration_key),
            "machines": [MACHINE],
            "servers": servers,
            **more,
        }
        return parse(members, self.folder / "agent.toml")

    def agent(
        self, settings: AgentSettings | None = None, command: Command = run_lab_way
    ) -> LiveAgent:
        """A program that has just been started."""
        return LiveAgent(self, settings or self.settings(), command)

    @property
    def accepted(self) -> list[Transaction]:
        """What the receiver took, once each, in order."""
        return [each for each in self.site.transactions if each.status == 201]


class LiveAgent:
    """The parts of one program."""

    def __init__(self, life: AgentLife, settings: AgentSettings, command: Command) -> None:
        self.state = AgentState(settings, life.told.append, lambda: life.now)
        self.courier = Courier(self.state, command)
        self.reports = Reports(self.state)
        self.standing = Standing(self.state, self.courier, counted=lambda: life.counted)

    @property
    def machine(self) -> Monitored:
        return self.state.settings.machines[0]

    def beat(self) -> Sent:
        """Queue a heartbeat, and send what is queued."""
        self.reports.regular("heartbeat", self.machine)
        return self.courier.send()

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The ledger's lines of these events."""
        return [each for each in lines(self.state.book.path) if each["event"] in names]


@contextlib.contextmanager
def life(folder: Path, **options: Any) -> Iterator[AgentLife]:
    """An agent's surroundings; ``options`` are the receiver's."""
    made = AgentLife(folder)
    with alone.receiving(folder / "ibm", clock=lambda: made.now, **options) as site:
        made.site = site
        yield made
