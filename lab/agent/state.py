"""Everything that an agent knows, by its configuration file: queue, passwords, ledger, alerts, servers.

Opened by each command and by the service; all of it is files of the state folder.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path

from lab.agent import storage
from lab.agent.alerts import Alerts
from lab.agent.book import Book
from lab.agent.connection import trusting
from lab.agent.credentials import Credentials
from lab.agent.directory import Directory
from lab.agent.problems import Problems
from lab.agent.settings import AgentSettings, SettingsError
from lab.agent.spool import Spool

ACTIVATION = "activation.json"
SENDING, SERVICE = "sending.lock", "service.lock"
"""Locks: one process sends at a time, and one is the service."""


class AgentState:
    """The state folder of an agent; close it at the end."""

    def __init__(
        self,
        settings: AgentSettings,
        tell: Callable[[str], None] = lambda line: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.folder = settings.state
        self.tell = tell
        self.now = now
        self.book = Book(self.folder, tell, now, settings.keep.ledger_bytes)
        self.alerts = Alerts(self.folder, self.book, tell, now)
        self.spool = Spool(self.folder, self._damaged)
        self.credentials = Credentials(self.folder)
        self.problems = Problems(self.folder, settings.keep.problems_s, now)
        self.directory = Directory(settings)
        self._context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """TLS that trusts the authorities of the settings alone; raises SettingsError."""
        if self._context is None:
            try:
                self._context = trusting(str(self.settings.ca_file))
            except OSError as error:  # SSLError is one: a file without a certificate
                problem = (
                    f"ca_file {self.settings.ca_file} cannot be used: {error.strerror or error}"
                )
                fix = "name a PEM file with the certificates of the authorities to trust"
                raise SettingsError(str(self.settings.source), [f"{problem}; {fix}"]) from error
        return self._context

    @property
    def activated(self) -> bool:
        members = storage.read_json(self.folder / ACTIVATION)
        return isinstance(members, dict) and bool(members.get("activated"))

    def file(self, name: str) -> Path:
        return self.folder / name

    def close(self) -> None:
        self.book.close()

    def __enter__(self) -> AgentState:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _damaged(self, what: str) -> None:
        self.tell(what)
        self.book.note("damaged", what=what)
