"""What happens on a way home through proxies."""

from __future__ import annotations

from lab.record.event import Event, kinds_of


class ProxiesTaken(Event, tells="{source} through {proxies}"):
    """The agent's host is told of its proxies, which listen. The source is the agent's host."""

    proxies: str
    """In the order of trying."""


class Proxied(Event, topic="proxy", elsewhere=True, closing=True):
    """A proxy is done with a request, by its own access log. The source is the proxy.

    Told when the proxy ends, with the time of the log.
    """

    client: str
    """The address that asked."""
    method: str
    target: str
    status: int
    """The HTTP status that the proxy gave."""
    server: str
    """The address of the server that the proxy reached; empty if it reached none."""
    content_bytes: int = 0
    """What a proxy that breaks TLS open has read of the client's content."""


class DirectTried(
    Event,
    topic="probe",
    recaps="{source} tried {destination}, TCP {port}, without a proxy: {outcome}",
    aspects={
        "{source} tried {destination}, TCP {port}, without a proxy, and there was": "{outcome}"
    },
):
    """The agent's host tried a listed server without a proxy (F-10). The source is the agent's host."""

    started: float
    destination: str
    port: int
    connected: bool
    routed: bool = True
    """Whether the host has a route there at all."""

    @property
    def sentence(self) -> str:
        became = self.outcome
        became = "CONNECTED" if self.connected else became
        return f"{self.source} to {self.destination}:{self.port} without a proxy: {became}"

    @property
    def outcome(self) -> str:
        if self.connected:
            return "a connection" if self.routed else "a connection without a route"
        return "no answer" if self.routed else "no route"


class ConnectTried(
    Event,
    topic="probe",
    aspects={"{source} asked {proxy} for {place}, and the answer was": "{answer}"},
):
    """The agent's host asked a proxy for a connection that the agent has no use for (OUT-12)."""

    started: float
    proxy: str
    target: str
    status: int
    """The HTTP status; 0 if the proxy did not answer."""
    resolved: str = ""
    """The address that the proxy was made to take for the name's (OUT-17); empty: what it finds itself."""

    @property
    def place(self) -> str:
        """``www.ibm.com:443``, ``www.ibm.com:443 (at 198.18.0.1)``."""
        return f"{self.target} (at {self.resolved})" if self.resolved else self.target

    @property
    def sentence(self) -> str:
        return f"{self.source} asks {self.proxy} for {self.place}: {self.answer}"

    @property
    def answer(self) -> str:
        return str(self.status) if self.status else "no answer"


KINDS = kinds_of(__name__)
