"""What happens in a run: one class a kind of event, with typed fields.

An event has a time on the lab's clock and a source: a node, or ``lab``. ``sentence`` is what the story tells
people; no program reads a sentence back. The events of one kind of way are in ``lab.ways.<kind>.events``.

No field is a secret: a test looks at the types, and the writer refuses a secret. ``words`` is what a driver
or a daemon said, for people. The classes have no ``repr`` and no ``eq``: these are three quarters of the time
that it takes to make a dataclass, and a run's start-up pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from time import time as now
from typing import Any, ClassVar, Self

LAB = "lab"
"""The source of what happens to the lab as a whole."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Event:
    """Something that happened. Every subclass is a kind of event."""

    topic: ClassVar[str] = "path"
    """A word of up to eight letters before the sentence: a protocol or a part of the lab."""
    source: str = LAB
    time: float = field(default_factory=now)

    @classmethod
    def kind(cls) -> str:
        """The class's name as the file has it: ``ike-established``."""
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")

    @classmethod
    def of(cls, entry: object, **own: Any) -> Self:
        """The event of an entry of the record: takes every field that the entry has, too, and its own."""
        shared = (each.name for each in fields(cls) if hasattr(entry, each.name))
        return cls(**{name: getattr(entry, name) for name in shared} | own)

    @property
    def sentence(self) -> str:
        """What the story tells; empty if the story passes over it."""
        return ""


# The lab.


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LabUp(Event):
    """Every node, wire, rule and server stands."""

    topic = "lab"
    topology: str
    nodes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"{self.topology}: {', '.join(self.nodes)}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class NodeDied(Event):
    """A fault killed a node: no packet leaves or enters it any more."""

    topic = "fault"

    @property
    def sentence(self) -> str:
        return f"{self.source} dies"


# Ways home. The source is the agent's host.


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class WayTried(Event):
    """An agent's host begins to bring a way up."""

    way: str


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class WayUp(Event):
    """The way is up."""

    way: str


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class WayFailed(Event):
    """The way did not come up."""

    way: str
    only: bool
    """Whether the agent has no other way: then ``path-failed`` tells the rest."""

    @property
    def sentence(self) -> str:
        return "" if self.only else f"{self.source} has no way home by {self.way}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class WayLost(Event):
    """A call home failed by a way that was up; the way, or a later one, is brought up now."""

    way: str

    @property
    def sentence(self) -> str:
        return f"{self.source} has lost its way home, and looks for another"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BackupTried(Event):
    """A way has passed every trial, and is taken down, so that the next way is put to the same trials."""

    way: str
    backup: str

    @property
    def sentence(self) -> str:
        return f"{self.source}: {self.way} works; now {self.backup}, which is the backup"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PathFailed(Event):
    """No way of an agent came up."""

    again: bool = False
    """Whether a way had been up before."""
    words: str

    @property
    def sentence(self) -> str:
        return f"did not come up{' again' if self.again else ''}: {self.words}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PathLost(Event):
    """A way was lost while it was put to the test, after the calls home had got through."""

    words: str

    @property
    def sentence(self) -> str:
        return self.words


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PppUp(Event):
    """IPCP is open (RFC 1332)."""

    topic = "PPP"
    gateway: str
    interface: str
    local_ip: str
    peer_ip: str
    mtu: int

    @property
    def sentence(self) -> str:
        return (
            f"{self.source} is {self.local_ip} on {self.interface}, {self.gateway} is "
            f"{self.peer_ip}, MTU {self.mtu}"
        )


# Calls home.


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class CallHomeTried(Event):
    """The reference agent tried one server."""

    topic = "agent"
    way: str
    """The way that was up; empty if none was."""
    server: str
    """The URL."""
    address: str
    """Empty if the server's name was not resolved."""
    phase: str
    """How far the call came: ``resolve``, ``connect``, ``TLS``, ``request``, ``acknowledgement``."""
    acknowledged: bool
    transaction: str
    """The number that the server gave; empty if it acknowledged nothing."""
    timed_out: bool
    """Whether the agent's deadline passed."""
    seconds: float
    problem: str
    """In the agent's words; empty if there was none."""

    @property
    def sentence(self) -> str:
        if self.acknowledged:
            return f"{self.source}: {self.server} acknowledged as {self.transaction}"
        return f"{self.source}: {self.server} failed at {self.phase}: {self.problem}"


# What is tried on a path that is up.


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Unroutable(Event):
    """A node could not probe a destination, for it has no route to it."""

    topic = "probe"
    destination: str

    @property
    def sentence(self) -> str:
        return f"{self.source} has no route to {self.destination}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Probed(Event):
    """A node tried to open a TCP connection to an agent's host (OUT-02)."""

    topic = "probe"
    destination: str
    port: int
    answered: bool

    @property
    def sentence(self) -> str:
        outcome = "was answered" if self.answered else "got no answer"
        return f"{self.source} to {self.destination}:{self.port} {outcome}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ForwardProbed(Event):
    """A SYN for another network was handed to an agent's host on its uplink (OUT-04)."""

    topic = "probe"
    destination: str
    forwarded: bool

    @property
    def sentence(self) -> str:
        outcome = "was forwarded" if self.forwarded else "was not forwarded"
        return f"a SYN for {self.destination} by {self.source}'s uplink {outcome}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class OwnRuleTried(Event):
    """An agent's host had a drop rule of its own on a tunnel's interface (OUT-22, OUT-26)."""

    topic = "probe"
    interface: str
    dropped: int
    """Packets."""

    @property
    def sentence(self) -> str:
        return f"{self.source}: its own rule on {self.interface} dropped {self.dropped}"
