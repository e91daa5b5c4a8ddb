"""What is tried on a path that is up."""

from __future__ import annotations

from lab.names import place
from lab.record.event import Event


class Unroutable(Event, topic="probe", tells="{source} has no route to {destination}"):
    """A node could not probe a destination, for it has no route to it."""

    destination: str


class Probed(
    Event,
    topic="probe",
    recaps="{source} tried TCP {port} of {destination}, and {outcome}",
    aspects={"{source} tried TCP {port} of {destination}, and": "{outcome}"},
    chance="address",
):
    """A node tried to open a TCP connection to an agent's host (OUT-02)."""

    address: str
    """The node's own, from which it tried."""
    destination: str
    port: int
    answered: bool

    @property
    def sentence(self) -> str:
        return f"{self.source} to {place(self.destination, self.port)} {self.outcome}"

    @property
    def outcome(self) -> str:
        return "was answered" if self.answered else "got no answer"


class ForwardProbed(
    Event,
    topic="probe",
    recaps="a SYN for TCP {port} of {destination} by {source}'s {card} {outcome}",
    aspects={"a SYN for TCP {port} of {destination} by {source}'s {card}": "{outcome}"},
    chance="address",
):
    """A SYN for another network was handed to an agent's host, by its uplink or its second card (OUT-04)."""

    address: str
    """From which the SYN claims to come."""
    destination: str
    port: int
    forwarded: bool
    outward: bool = False
    """Whether it came from the local network's side, and is for IBM."""

    @property
    def sentence(self) -> str:
        return f"a SYN for {self.destination} by {self.source}'s {self.card} {self.outcome}"

    @property
    def card(self) -> str:
        return "second card" if self.outward else "uplink"

    @property
    def outcome(self) -> str:
        return "was forwarded" if self.forwarded else "was not forwarded"


class OwnRuleTried(
    Event,
    topic="probe",
    tells="{source}: its own rule on {interface} dropped {dropped}",
    recaps="{source} tried to connect to {destination} against a rule of its own",
    aspects={
        "{source} tried to connect to {destination} against a rule of its own, and": "{outcome}",
        "meanwhile that rule of {source} dropped": "{dropped} packets",
        "meanwhile the uplink of {source} saw": "{counted_on_uplink} of such packets",
        "meanwhile the sessions of {source} that carry connections": "{stayed}",
    },
    chance="interface uplink",
):
    """A drop rule for TCP to ``destination`` on the tunnel's interface of a host (``ppp0``), the same
    match counted on its uplink, and one attempt to connect meanwhile (OUT-22, OUT-26). Time: of the end."""

    started: float
    interface: str
    uplink: str
    destination: str
    connected: bool
    """Whether the connection came about in spite of the rule."""
    dropped: int
    """Packets, by the rule on the tunnel."""
    counted_on_uplink: int
    sessions_open: bool
    """Whether what carries the connection was still up at the end: IKE, L2TP, PPP, the telephone call."""

    @property
    def outcome(self) -> str:
        return "connected" if self.connected else "did not connect"

    @property
    def stayed(self) -> str:
        return "stayed up" if self.sessions_open else "did not stay up"
