"""What happens in a run: one class a kind of event, with typed fields.

    class NodeDied(Event, topic="fault", tells="{source} dies"):

declares a kind: its fields are annotations as of a dataclass, and ``tells`` is the sentence of the story,
with fields in braces, and ``{why}`` for the cause in words. No program reads a sentence back. The kinds of
one part of the lab are in the part's module ``events``; those that the record keeps are here.

An event has a time on the lab's clock and a source: a node, or ``lab``. No field is a secret: a test looks at
the types, and the writer refuses a secret. The classes have no ``repr`` and no ``eq``: these are three
quarters of the time that it takes to make a dataclass, and a run's start-up pays for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from time import time as now
from typing import Any, ClassVar, Self, dataclass_transform

from lab.names import place, runs
from lab.record.cause import AgentCause, Blame, DialCause, Explained, IkeCause, PppCause

LAB = "lab"
"""The source of what happens to the lab as a whole."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class _Declared:
    """Makes every class below it a frozen dataclass."""

    topic: ClassVar[str] = "path"
    """A word of up to eight letters before the sentence: a protocol or a part of the lab."""
    tells: ClassVar[str] = ""
    bad: ClassVar[bool] = False  # a failure, also where it has no cause

    def __init_subclass__(cls, *, topic: str = "", tells: str = "", bad: bool = False) -> None:
        cls.topic = topic or cls.topic
        cls.tells, cls.bad = tells, bad
        dataclass(frozen=True, kw_only=True, repr=False, eq=False)(cls)


class Event(Explained, _Declared):
    """Something that happened. Every subclass is a kind of event."""

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
        return self.tells.format(**vars(self), why=self.why)


def kinds_of(module: str) -> tuple[type[Event], ...]:
    """The kinds that a module declares, in their order."""
    return tuple(kind for kind in Event.__subclasses__() if kind.__module__ == module)


Tell = Callable[[Event], None]
"""Where whatever notices an event puts it: ``Story.tell``."""


# The lab.


class LabUp(Event, topic="lab"):
    """Every node, wire, rule and server stands."""

    topology: str
    nodes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"{self.topology}: {', '.join(runs(self.nodes))}"


class NodeDied(Event, topic="fault", tells="{source} dies", bad=True):
    """A fault killed a node: no packet leaves or enters it any more."""


class FaultPassed(Event, topic="fault", tells="{source} loses nothing any more"):
    """A fault that passes has ended at a node. All agents call home once more."""


class BrokeOff(Event, topic="lab", bad=True):
    """An error ended the run before the run's own end."""

    blame: Blame
    words: str


# Ways home. The source is the agent's host.


class WayTried(Event):
    """An agent's host begins to bring a way up."""

    way: str


class WayUp(Event):
    """The way is up."""

    way: str


class WayFailed(Event, bad=True):
    """The way did not come up."""

    way: str
    only: bool
    """Whether the agent has no other way: then ``path-failed`` tells the rest."""

    @property
    def sentence(self) -> str:
        return "" if self.only else f"{self.source} has no way home by {self.way}"


class CalledByOne(Event, tells="{source} calls home once more, by {family} alone"):
    """The agent leaves one version of IP out, to try the other one (OUT-08)."""

    family: str
    """``IPv4``, ``IPv6``."""


class WayLost(Event, tells="{source} has lost its way home, and looks for another", bad=True):
    """A call home failed by a way that was up; the way, or a later one, is brought up now."""

    way: str


class BackupTried(Event, tells="{source}: {way} works; now {backup}, which is the backup"):
    """A way has passed every trial, and is taken down, so that the next way is put to the same trials."""

    way: str
    backup: str


class PathFailed(Event, bad=True):
    """No way of an agent came up."""

    again: bool = False
    """Whether a way had been up before."""
    words: str

    @property
    def sentence(self) -> str:
        return f"did not come up{' again' if self.again else ''}: {self.words}"


class PathLost(Event, tells="{words}", bad=True):
    """A way was lost while it was put to the test, after the calls home had got through."""

    words: str


_PPP_UP = "{source} is {local_ip} on {interface}, {gateway} is {peer_ip}, MTU {mtu}"


class PppUp(Event, topic="PPP", tells=_PPP_UP):
    """IPCP is open (RFC 1332)."""

    gateway: str
    interface: str
    local_ip: str
    peer_ip: str
    mtu: int


class PppDown(Event, topic="PPP", tells="{source} to {gateway}: {why}"):
    """A pppd has ended, or was given up: of a session that had been up, or of one that never was."""

    gateway: str
    interface: str
    exit_status: int
    """pppd(8) EXIT STATUS; -1 if the carrier's daemon did not say."""
    cause: PppCause | None
    """None if pppd gives no reason."""
    detail: str

    @property
    def sentence(self) -> str:
        return super().sentence if self.cause not in (None, PppCause.terminated) else ""


class IkeEstablished(Event, topic="IKE"):
    """The IKE SA and the ESP SAs are installed (RFC 2409); suites as VICI names them."""

    connection: str
    gateway: str
    ike_encryption: str
    ike_integrity: str
    ike_dh_group: str
    esp_encryption: str
    esp_integrity: str
    esp_mode: str
    """``TUNNEL`` or ``TRANSPORT``."""
    udp_encapsulation: bool

    @property
    def sentence(self) -> str:
        nat = ", in UDP 4500" if self.udp_encapsulation else ""
        return (
            f"{self.source} and {self.gateway} agreed on "
            f"{self.ike_encryption}/{self.ike_integrity}/{self.ike_dh_group}, "
            f"ESP {self.esp_encryption}/{self.esp_integrity} in {self.esp_mode.lower()} mode{nat}"
        )


class IkeFailed(Event, topic="IKE", tells="{source} to {gateway}: {why}"):
    """An IPsec connection did not come up."""

    gateway: str
    cause: IkeCause
    detail: str
    """Charon's own word for it."""


class ModemProbed(Event, topic="modem"):
    """A serial port was asked for a modem at boot (OUT-24)."""

    device: str
    answer: str
    """The modem's final result code; empty if it gave none."""
    command: str
    cause: DialCause | None
    """None if a modem was found."""
    detail: str

    @property
    def found(self) -> bool:
        return self.cause is None

    @property
    def sentence(self) -> str:
        if self.found:
            return f"{self.source}: {self.device}"
        return f"{self.source}: no modem at {self.device}: {self.why}"


class Dialled(Event, topic="call"):
    """A client dialled a number, and PPP came up or did not (OUT-23, OUT-25).

    The time is when the modem had answered, or was given up.
    """

    started: float
    device: str
    """The modem's port; empty if a partition was to dial (OUT-30), whose port ``partition-dialled`` tells."""
    number: str
    result: str
    """The modem's final result code, or what a partition says of it (OCCN, CDN); empty if there was none."""
    rate_bit_s: int
    cause: DialCause | None
    """What kept the call from becoming a way home; None if nothing did."""
    command: str
    """Which the modem did not take."""
    detail: str
    """With what it answered the command."""

    @property
    def sentence(self) -> str:
        what = ", ".join(filter(None, (self.result, self.why)))
        return f"{self.source} dials {self.number}: {what}"


# Calls home.


class CallHomeTried(Event, topic="agent"):
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
    def outcome(self) -> str:
        through = f"{self.server} through {self.proxy}" if self.proxy else self.server
        if self.errand != "heartbeat":
            through = f"{self.errand}: {through}" if through else self.errand
        if self.cause is None:
            return f"{through} acknowledged as {self.transaction}"
        return f"{through} failed at {self.phase}: {self.why}"


class Served(Event, topic="sdc"):
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


# What is tried on a path that is up.


class Unroutable(Event, topic="probe", tells="{source} has no route to {destination}"):
    """A node could not probe a destination, for it has no route to it."""

    destination: str


class Probed(Event, topic="probe"):
    """A node tried to open a TCP connection to an agent's host (OUT-02)."""

    address: str
    """The node's own, from which it tried."""
    destination: str
    port: int
    answered: bool

    @property
    def sentence(self) -> str:
        outcome = "was answered" if self.answered else "got no answer"
        return f"{self.source} to {place(self.destination, self.port)} {outcome}"


class ForwardProbed(Event, topic="probe"):
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
        outcome = "was forwarded" if self.forwarded else "was not forwarded"
        card = "second card" if self.outward else "uplink"
        return f"a SYN for {self.destination} by {self.source}'s {card} {outcome}"


class OwnRuleTried(
    Event, topic="probe", tells="{source}: its own rule on {interface} dropped {dropped}"
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
