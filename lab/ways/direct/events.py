"""What happens on a way over the Internet."""

from __future__ import annotations

from lab.record.event import Event, kinds_of


class DefaultRouteTaken(Event, tells="{source} by the default route"):
    """The agent's host goes by its default route."""


class FileUploaded(Event, topic="agent"):
    """The lab's own agent has tried to upload a file by FTP over TLS. The source is the agent's host."""

    server: str
    """Its name."""
    started: float
    taken: bool
    detail: str
    """What the agent said last; empty if the file was taken."""

    @property
    def sentence(self) -> str:
        said = "took it" if self.taken else f"did not take it: {self.detail}"
        return f"{self.source} uploads a file by FTPS: {self.server} {said}"


KINDS = kinds_of(__name__)
