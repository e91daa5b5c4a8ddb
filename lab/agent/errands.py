"""What a system does beside the heartbeat: enrol, report a problem, send its inventory, fetch a fix.

Each errand is a message to servers of its own. Three rules of the papers hold here, whatever the errands are:
data never go in clear (OUT-33), who knows where to enrol does so before any download (OUT-42), and a download
counts only if its SHA-256 is the one that a server gave by TLS (OUT-41). ``client`` makes the connections.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time

from lab.agent.client import AgentCaller, NotAsPromised, read_acknowledgement
from lab.agent.heartbeat import AGENT, configuration
from lab.agent.message import Attempt, Message, ServerUrl
from lab.record.cause import AgentCause
from lab.topology.errand_kinds import DOWNLOADS, PATHS, PROMISING, ErrandKind

UPLOAD_BYTES = 6_000
"""Of a problem's bulk data: several packets of full size."""


_PLAIN = {*"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._*/"}
"""Characters that a path has as they are."""


class Task:
    """An errand to be done, and the servers for it in the order of trying."""

    __slots__ = ("attempts", "done", "kind", "servers")

    def __init__(self, written: str) -> None:
        """From ``TYPE=URL,URL``; raises ValueError for anything else, and for data by http."""
        name, equals, urls = written.partition("=")
        kinds = [str(kind) for kind in ErrandKind]
        if not equals or name not in kinds:
            raise ValueError(f"{written!r} is not TYPE=URL,...; types: {', '.join(kinds)}")
        self.kind = ErrandKind(name)
        may_be_clear = self.kind in DOWNLOADS
        given = dict.fromkeys(url.strip() for url in urls.split(",") if url.strip())
        self.servers = [ServerUrl(url, may_be_clear=may_be_clear) for url in given]
        if not self.servers:
            raise ValueError(f"no server is given for {name}")
        self.attempts: list[Attempt] = []
        self.done = False

    def note(self, attempts: list[Attempt], *, everywhere: bool = False) -> None:
        """The attempts of one message: the errand is done by one of them, or ``everywhere`` by all."""
        self.attempts += attempts
        taken = [bool(attempt.acknowledgement) for attempt in attempts]
        self.done = all(taken) if everywhere else any(taken)

    def as_dict(self) -> dict[str, object]:
        return {"errand": str(self.kind), "done": self.done, "attempts": len(self.attempts)}


class Errands:
    """The errands of one system, done one after the other."""

    def __init__(self, tasks: list[Task], system: str, caller: AgentCaller) -> None:
        self.tasks = tasks
        self._system = system
        self._caller = caller
        self._promised: dict[str, str] = {}
        """The path of each fix that servers named by TLS, and its SHA-256."""

    @property
    def attempts(self) -> list[Attempt]:
        """Every attempt of every errand, in the order of their times."""
        return sorted((a for task in self.tasks for a in task.attempts), key=lambda a: a.time)

    def run(self, *, everywhere: bool = False) -> None:
        """Do all of them in order; with ``everywhere``, each at every address of every server of its own."""
        for task in self.tasks:
            if not task.attempts:
                self._do(task, everywhere)

    def _do(self, task: Task, everywhere: bool) -> None:
        if task.kind is ErrandKind.fix:
            self._fetch_fixes(task, everywhere)
            return
        self._send(self._message(task.kind), task, everywhere)
        if not task.done:
            what = "not fetched" if task.kind in DOWNLOADS else "not done, and kept"
            self._caller.story(f"{task.kind}: {what} (attempts: {len(task.attempts)})")

    def _send(self, message: Message, task: Task, everywhere: bool) -> None:
        """To the first server that takes it; with ``everywhere``, once to every address, as the console's
        test of its connection does (F-12). HTTP that is a backup only stays one (OUT-32)."""
        if everywhere:
            safe = [server for server in task.servers if not server.clear]
            attempts = self._try_all(message, safe or task.servers)
        else:
            attempts = self._caller.send(message, task.servers)
        task.note(attempts, everywhere=everywhere)
        self._remember(message, attempts)

    def _try_all(self, message: Message, servers: list[ServerUrl]) -> list[Attempt]:
        return [
            self._caller.try_once(message, one, proxy)
            for server in servers
            for one in self._addresses_of(server)
            for proxy in self._caller.proxies or [None]
        ]

    def _addresses_of(self, server: ServerUrl) -> list[ServerUrl]:
        if self._caller.proxies:
            return [server]  # The proxy looks the name up.
        try:
            found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
        except (OSError, ValueError):
            return [server]  # The attempt will say so.
        return [server.at(str(address[0])) for *_, address in found]

    def _remember(self, message: Message, attempts: list[Attempt]) -> None:
        """Which fixes there are, if a server says so by TLS."""
        for attempt in attempts:
            fixes = attempt.acknowledgement.get("fixes")
            if message.errand in PROMISING and isinstance(fixes, dict):
                named = {str(path): str(digest) for path, digest in fixes.items()}
                self._promised |= {p: digest for p, digest in named.items() if {*p} <= _PLAIN}

    def _fetch_fixes(self, task: Task, everywhere: bool) -> None:
        """Enrol if that is not done and can be, then fetch every fix that was promised."""
        enrolment = next((t for t in self.tasks if t.kind is ErrandKind.enrolment), None)
        if enrolment is not None and not enrolment.attempts:
            self._do(enrolment, everywhere)
        if enrolment is not None and not enrolment.done:
            self._pass_over(task, AgentCause.not_enrolled)
        elif not self._promised:
            self._pass_over(task, AgentCause.unpromised)
        for name, digest in () if task.attempts else sorted(self._promised.items()):
            self._send(self._fix(name, digest), task, everywhere)
            if not task.done:
                return

    def _pass_over(self, task: Task, cause: AgentCause) -> None:
        """Note why an errand is not even tried."""
        attempt = Attempt("", errand=str(task.kind))
        attempt.phase = "enrolment" if cause is AgentCause.not_enrolled else "promise"
        attempt.fail(cause, "")
        attempt.time = time.time()
        task.note([attempt])
        self._caller.story(f"{task.kind}: not tried: {attempt.why}")

    def _message(self, kind: ErrandKind) -> Message:
        path = f"{PATHS}{kind}"
        if kind in DOWNLOADS:
            return Message("GET", path, b"", read_acknowledgement, str(kind))
        if kind is ErrandKind.upload:
            content = (f"{self._system} ".encode() * UPLOAD_BYTES)[:UPLOAD_BYTES]
            return Message(
                "PUT", f"{path}?system={self._quoted}", content, read_acknowledgement, str(kind)
            )
        members = {"kind": str(kind), "system": self._system, "agent": AGENT, **self._what(kind)}
        return Message("POST", path, json.dumps(members).encode(), read_acknowledgement, str(kind))

    def _what(self, kind: ErrandKind) -> dict[str, object]:
        if kind is ErrandKind.problem:
            return {"reference_code": "B3036620", "severity": 4, "text": "test problem"}
        if kind in (ErrandKind.inventory, ErrandKind.call_home):
            return {"files": {"hmc.eed": configuration(self._system)}}
        return {}

    def _fix(self, path: str, digest: str) -> Message:
        """A fix by the path that a server named, without a log-in and without the system's name."""

        def read(body: bytes) -> dict[str, object]:
            found = hashlib.sha256(body).hexdigest()
            if found != digest:
                raise NotAsPromised(f"SHA-256 {found}, and not {digest}")
            return {"transaction": path.rpartition("/")[2], "sha256": found, "bytes": len(body)}

        return Message("GET", f"{PATHS}{ErrandKind.fix}/{path}", b"", read, str(ErrandKind.fix))

    @property
    def _quoted(self) -> str:
        """The system's name in a URL (RFC 3986 2.1)."""
        coded = ("".join(f"%{byte:02X}" for byte in c.encode()) for c in self._system)
        return "".join(c if c in _PLAIN else e for c, e in zip(self._system, coded, strict=True))
