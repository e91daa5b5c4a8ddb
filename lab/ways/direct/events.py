"""What happens on a way over the Internet."""

from __future__ import annotations

from lab.names import count, place
from lab.record.event import Event, kinds_of


class DefaultRouteTaken(Event, tells="{source} by the default route"):
    """The agent's host goes by its default route."""


class FileUploaded(
    Event,
    topic="agent",
    recaps="{source} uploaded a file by FTPS to {server}",
    aspects={"{source} uploaded a file by FTPS, and {server}": "{outcome}"},
):
    """The lab's own agent has tried to upload a file by FTP over TLS. The source is the agent's host."""

    server: str
    """Its name."""
    started: float
    taken: bool
    detail: str
    """What the agent said last; empty if the file was taken."""

    @property
    def sentence(self) -> str:
        said = self.outcome if self.taken else f"{self.outcome}: {self.detail}"
        return f"{self.source} uploads a file by FTPS: {self.server} {said}"

    @property
    def outcome(self) -> str:
        return "took it" if self.taken else "did not take it"


class ServerTested(
    Event,
    topic="test",
    recaps="{source} tested {server} ({address}, TCP {port}): {outcome}",
    aspects={"{source} tested {server} ({address}, TCP {port}), and there was": "{outcome}"},
):
    """An agent's host tested its connection to a listed server (F-12). The source is the agent's host."""

    started: float
    server: str
    """The listed name."""
    address: str
    port: int
    connected: bool
    """Whether a TCP connection came about."""

    @property
    def sentence(self) -> str:
        became = "connected" if self.connected else "no connection"
        return f"{self.source} to {self.server} ({place(self.address, self.port)}): {became}"

    @property
    def outcome(self) -> str:
        return "a connection" if self.connected else "no connection"


class ConnectionsTested(
    Event,
    topic="test",
    aspects={"{source}'s test of its connections reached": "{connected} of {servers} servers"},
):
    """An agent's host has tested its connections to all servers that are listed for it (F-12)."""

    connected: int
    servers: int

    @property
    def outcome(self) -> str:
        """In a word, as the console has it."""
        if self.connected == self.servers:
            return "complete"
        return "partial" if self.connected else "failed"

    @property
    def sentence(self) -> str:
        reached = f"{self.connected} of {count(self.servers, 'connection')}"
        word = self.outcome if self.outcome == "failed" else f"is {self.outcome}"
        return f"{self.source}: the test {word}: {reached}"


KINDS = kinds_of(__name__)
