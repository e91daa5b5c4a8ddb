"""Calls home: what the reference agent tried, and what reached IBM's servers."""

from __future__ import annotations

from lab.record.cause import AgentCause
from lab.record.event import Event


class CallHomeTried(
    Event,
    topic="agent",
    recaps="{about} {came}",
    aspects={
        "{about}": "{came}",
        "{about} went to": "{address}",
        "{about} went through": "{through}",
    },
    chance="way",
):
    """The reference agent tried one server."""

    way: str
    """The way that was up; empty if none was."""
    server: str
    """The URL."""
    address: str
    """The server's, or the proxy's; empty if the name was not resolved."""
    phase: str
    """How far the call came: ``resolve``, ``connect`` (or ``proxy``, ``CONNECT``), ``TLS``, ``request``,
    ``acknowledgement``; ``enrolment`` or ``promise`` if an errand was not tried for want of that."""
    transaction: str
    """The number that the server gave; empty if it acknowledged nothing."""
    seconds: float
    cause: AgentCause | None
    """None if the server acknowledged."""
    detail: str
    proxy: str = ""
    """The proxy's URL, without a password; empty where none was asked."""
    errand: str = "heartbeat"
    """What it was for: ``problem``, ``fix``."""
    sha256: str = ""
    """Of a fix that came as it was promised by TLS (OUT-41)."""

    @property
    def sentence(self) -> str:
        return f"{self.source}: {self.outcome}"

    @property
    def about(self) -> str:
        """``hmc's heartbeat for https://sas-1.sdc.test``."""
        return f"{self.source}'s {self.errand}{f' for {self.server}' if self.server else ''}"

    @property
    def came(self) -> str:
        """What became of it."""
        if self.cause is None:
            return "was acknowledged"
        return f"failed at {self.phase}: {self.cause_alone}"

    @property
    def through(self) -> str:
        return self.proxy or "no proxy"

    @property
    def outcome(self) -> str:
        through = f"{self.server} through {self.proxy}" if self.proxy else self.server
        if self.errand != "heartbeat":
            through = f"{self.errand}: {through}" if through else self.errand
        if self.cause is None:
            return f"{through} acknowledged as {self.transaction}"
        return f"{through} failed at {self.phase}: {self.why}"


class Served(Event, topic="sdc", elsewhere=True, closing=True):
    """A transaction that reached IBM's servers, from their ledger. The source is their node.

    It is told when the lab goes down, and the story passes over it.
    """

    request: str
    """``heartbeat``, ``upload``, ``request``; or what kept it from becoming one (``Transaction.kind``)."""
    system: str
    peer_ip: str
    server_ip: str
    server_port: int
    tls_version: str
    status: int
    """The status that was answered, HTTP's or FTP's; 0 where none could be."""
    server: str
    method: str
    target: str
    body_bytes: int
