"""Everything that an agent knows, by its configuration file: queue, passwords, ledger, alerts, servers.

Opened by each command and by the service; all of it is files of the state folder.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lab.agent import storage
from lab.agent.alerts import Alerts
from lab.agent.book import Book
from lab.agent.connection import trusting
from lab.agent.credentials import Credentials
from lab.agent.directory import Directory
from lab.agent.problems import Problems
from lab.agent.settings import AgentSettings, SettingsError, load
from lab.agent.spool import Spool

ACTIVATION = "activation.json"
SENDING, SERVICE = "sending.lock", "service.lock"
"""Locks: one process sends at a time, and one is the service."""

RESTART = ("state", "events", "web", "imm")
"""Attributes of the settings that a service reads when it starts, and never again."""


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
        self._digest = self._digest_now()

    def renew(self) -> tuple[str, ...] | None:
        """Go by the configuration file as it is now; None if it is as it was.

        Else what of it has changed that holds only after a restart (``RESTART``). Raises SettingsError, once
        for each such file: then the former settings hold.
        """
        digest = self._digest_now()
        if digest == self._digest:
            return None
        self._digest = digest
        fresh, former = load(self.settings.source), self.settings
        later = tuple(name for name in RESTART if getattr(fresh, name) != getattr(former, name))
        self.use(replace(fresh, **{name: getattr(former, name) for name in later}))
        return later

    def use(self, settings: AgentSettings) -> None:
        """Go by other settings from now on; the folder stays."""
        self.settings = settings
        self.directory = Directory(settings)
        self.book.limit_bytes = settings.keep.ledger_bytes
        self.problems.keep_s = settings.keep.problems_s
        self._context = None

    def _digest_now(self) -> str:
        """Of the configuration file; empty if it cannot be read."""
        try:
            return hashlib.sha256(self.settings.source.read_bytes()).hexdigest()
        except OSError:
            return ""

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
