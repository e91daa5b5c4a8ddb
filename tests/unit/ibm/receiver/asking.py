"""The receiver without a server: requests are made by hand, and the time is what the test says."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.ibm import authority
from lab.ibm.answers import Answer, HttpRequest
from lab.ibm.back_ends import BackEnds
from lab.ibm.receiver.credentials import DAY_S, Peer
from lab.ibm.receiver.desk import Receiver
from lab.topology.servers import ListedServer, Speaks

T0 = 1_200_000_000.0
JSON = "application/json"
PART = "application/offset+octet-stream"
MACHINE = {"type": "8284", "model": "22A", "serial": "21ABCDE"}
HEARTBEAT = {"agent": "test 1", "collected": T0, "reason": "heartbeat"}
INVENTORY = {"collected": T0, "reason": "inventory", "files": {"hmc.eed": "lshmc -V"}}
PROBLEM = {
    "reference_code": "B1814400",
    "severity": 2,
    "text": "a fan has stopped",
    "occurred": T0,
    "reason": "problem",
}


def server(name: str = "one", *serves: str, speaks: Speaks = Speaks.https) -> ListedServer:
    port = 443 if speaks is Speaks.https else 80
    return ListedServer(
        name=name, address="192.0.2.1", port=port, rows=(), speaks=speaks, tls="", serves=serves
    )


def enrolment(agent: str = "test 1", **machine: str) -> dict[str, Any]:
    return {"machine": {**MACHINE, **machine}, "agent": agent, "ibm_ids": []}


@dataclass
class Desk:
    """A receiver, and a clock."""

    folder: Path
    now: float = T0
    servers: tuple[ListedServer, ...] = field(default_factory=lambda: (server(), server("two")))
    store_bytes: int = 1 << 30
    receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        if not (self.folder / "keys" / "ca.pem").exists():
            authority.issue_for(("localhost",), self.folder / "keys")
        self.open()

    def open(self) -> None:
        """The receiver begins, perhaps again."""
        configured = {"problem": ["https://one.example"]}
        self.receiver = Receiver(
            self.folder / "logs", self.folder / "keys", self.servers, configured,
            clock=lambda: self.now, store_bytes=self.store_bytes,
        )  # fmt: skip

    def days(self, days: float) -> None:
        self.now += days * DAY_S

    def connection(self, site: int = 0, *, encrypted: bool = True) -> Connection:
        return Connection(self, self.servers[site], Peer(encrypted=encrypted))

    def enrolled(self, report: str = "e1", **machine: str) -> Machine:
        answer = self.connection().put(f"enrolments/{report}", enrolment(**machine))
        assert answer.status in (200, 201), answer
        told = json.loads(answer.content)
        return Machine(self, told["id"], told["password"])


@dataclass
class Connection:
    """Of TLS, to one of the servers."""

    desk: Desk
    listed: ListedServer
    peer: Peer
    back_ends: BackEnds | None = None

    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        auth: tuple[str, str] | None = None,
        **fields: str,
    ) -> Answer:
        """``fields``: with ``_`` in the place of ``-``."""
        head = {name.replace("_", "-"): value for name, value in fields.items()}
        if auth is not None:
            head["authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
        request = HttpRequest(
            method=method, target=f"/service/{target}", body=body, body_bytes=len(body)
        )
        return self.desk.receiver.answer(request, head, self.peer, self.listed, self.back_ends)

    def put(self, target: str, content: Any, auth: tuple[str, str] | None = None) -> Answer:
        return self.ask("PUT", target, json.dumps(content).encode(), auth, content_type=JSON)

    def get(self, target: str, auth: tuple[str, str] | None = None) -> Answer:
        return self.ask("GET", target, auth=auth)


@dataclass
class Machine:
    """An agent in the simplest form: each request is a connection of its own."""

    desk: Desk
    id: str
    password: str
    site: int = 0

    @property
    def auth(self) -> tuple[str, str]:
        return self.id, self.password

    def put(self, target: str, content: Any) -> Answer:
        return self.desk.connection(self.site).put(target, content, self.auth)

    def get(self, target: str) -> Answer:
        return self.desk.connection(self.site).get(target, self.auth)

    def patch(self, target: str, offset: int, data: bytes) -> Answer:
        return self.desk.connection(self.site).ask(
            "PATCH", target, data, self.auth, content_type=PART, upload_offset=str(offset)
        )


def said(answer: Answer) -> dict[str, Any]:
    """The JSON of an answer."""
    told: dict[str, Any] = json.loads(answer.content)
    return told


def offered(answer: Answer) -> str:
    """The next password that came with an answer; empty if none did."""
    change = said(answer).get("password_change", {})
    return str(change.get("password", ""))
