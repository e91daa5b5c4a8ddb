"""What happens at targets that users have entered."""

from __future__ import annotations

from lab.names import count, place
from lab.record.event import Event, kinds_of


class TargetTried(
    Event,
    topic="test",
    recaps="{source} offloaded to {target} ({address}, TCP {port}{unasked}): {outcome}",
    aspects={
        "{source} offloaded to {target} ({address}, TCP {port}{unasked}), and there was": "{outcome}"
    },
    chance="sent",
):
    """An agent's host offloaded data to an address and a port, or tried to. The source is that host."""

    target: str
    """The name in the topology file."""
    started: float
    address: str
    port: int
    entered: bool
    """Whether the user has entered this port; else it is another one of the same address, and nobody's."""
    connected: bool
    taken: bool
    """Whether the server has read all, and closed after that."""
    sent: int
    """Bytes."""

    @property
    def unasked(self) -> str:
        return "" if self.entered else ", which nobody has entered"

    @property
    def outcome(self) -> str:
        taken = ", and all was taken" if self.taken else ""
        return f"{'a' if self.connected else 'no'} connection{taken}"

    @property
    def sentence(self) -> str:
        at = place(self.address, self.port)
        if not self.entered:
            became = "a connection" if self.connected else "no connection"
            return f"{self.source} to {at}, which nobody has entered: {became}"
        became = "connected" if self.connected else "no connection"
        if self.taken:
            became = f"{count(self.sent, 'byte')} taken"
        return f"{self.source} offloads to {self.target} ({at}): {became}"


class DataTaken(
    Event,
    topic="offload",
    recaps="{source} had data of {peer} at TCP {port}",
    aspects={"{source} had data of {peer} at TCP {port}:": "{taken} bytes, {ending}"},
    chance="peer_port",
):
    """A connection to a server that users enter has ended. The source is the server."""

    port: int
    """The server's."""
    peer: str
    peer_port: int
    taken: int
    """Bytes."""
    whole: bool
    """Whether the client ended it in order, by a FIN."""

    @property
    def ending(self) -> str:
        return "ended in order" if self.whole else "broken off"

    @property
    def sentence(self) -> str:
        end = "" if self.whole else ", and then the connection broke"
        at = f"{self.source}:{self.port}"
        return (
            f"{at} takes {count(self.taken, 'byte')} from {place(self.peer, self.peer_port)}{end}"
        )


KINDS = kinds_of(__name__)
