"""What became of an agent's life: what happened to it, what IBM heard and keeps, what was on the wires.

Plain data (``life.json``); ``reading`` makes it of a run. What the agent says of itself is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

SERVICE = "service: "
"""How the kinds begin of what was asked of IBM's receiver."""
ANONYMOUS = frozenset({"enrolment", "reset", "configuration", "fix", "openapi", ""})
"""The receiver's operations that need no ID and no password."""
HTTP_PORT, HTTPS_PORT = 80, 443
DAY_S = 86400.0
IBM = "IBM"
TEST_S = 3600.0
"""Within this time of the wish an agent tests its connections."""
MOST_ENDS = 20
"""So often an agent may end by itself; then it stays as it is."""
OF_MODULE = "module"
"""The kind of an outage that concerns the management module alone, and no way to IBM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event of the script, as it came about. Times are of the lab's clock."""

    time: float
    deed: str
    subject: str = ""
    until: float = 0.0
    addresses: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    errand: str = ""
    kind_of: str = ""
    by_s: float = 0.0
    led_to: tuple[str, ...] = ()

    def at(self, moment: float) -> bool:
        """Whether it lasts at a moment."""
        return self.time <= moment < (self.until or self.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverRequest:
    """What IBM's servers were asked, by the ledger."""

    time: float
    kind: str
    """The receiver's operation, ``heartbeat``; empty for what was not asked of the receiver."""
    status: int
    server: str
    address: str
    port: int
    peer: str
    """Address and port of the connection's other end: one of TLS has one session."""
    encrypted: bool
    method: str = ""
    report: str = ""
    identity: str = ""
    """Who had authenticated on the connection."""
    system: str = ""
    detail: str = ""

    @property
    def served(self) -> bool:
        return 200 <= self.status < 300

    @property
    def authenticates(self) -> bool:
        """Whether it needs an ID and a password."""
        return self.kind not in ANONYMOUS


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message in IBM's store."""

    kind: str
    report: str
    received: float
    number: str = ""
    """Of a problem: the problem management number."""
    text: str = ""
    """Of a problem, as the machine told it."""
    kept: bool = True
    """Whether the content is still there."""
    reason: str = ""
    """Why the agent connected, as it says; empty if the content is gone."""
    files: tuple[str, ...] = ()
    """The names of the files in it."""
    printed: bool = False
    """Whether it has what the commands print on this machine (E-22)."""
    closed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A machine in IBM's store."""

    identity: str
    system: str
    enrolled: float
    number: int
    """Of the password in use: 1 is the first."""
    since: float
    """Since when that is in use."""
    key_expires: float = 0.0
    ibm_ids: tuple[str, ...] = ()
    """Who may see the machine's data there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What IBM's store has deleted."""

    what: str
    report: str
    stored: float
    removed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WireCall:
    """A TCP connection that the agent's host opened, or tried to, on its own wire."""

    time: float
    address: str
    port: int
    answered: bool
    proxied: bool = False
    """Whether it is one to a proxy."""
    status: int = 0
    """Of a proxy: its last answer on the way to a tunnel; 0: none."""

    @property
    def failed(self) -> bool:
        """Whether it came to nothing: no connection, or no tunnel."""
        return not self.answered or (self.proxied and self.status // 100 != 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One of the agent's own ways to IBM: its way over the Internet, or a proxy."""

    name: str
    """The way's, or the proxy's node."""
    place: str = ""
    """Of a proxy: ADDRESS:PORT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleCall:
    """A TCP connection that the agent's host opened to its management module, or tried to, by their wire."""

    time: float
    port: int
    """5989 is HTTPS, 5988 is HTTP."""
    unavailable: float = 0.0
    """When the host could know that nobody serves it, by a reset or a second of silence; 0: never."""
    served: float = 0.0
    """When the module first said something; 0: never."""
    asked: bool = False
    """Whether the host said anything."""
    tls: bool = False
    """Whether that began as TLS does."""
    last: float = 0.0
    """When the host last said something, or its SYN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearRequest:
    """A request by HTTP in clear, on the agent's own wire."""

    time: float
    address: str
    method: str
    target: str
    body_bytes: int = 0
    logged_in: bool = False
    """Whether it carries an ID and a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathResult:
    """What a test of connections says of one path, by the agent's own words."""

    way: str
    server: str
    address: str
    """Empty: the server was asked by its name alone."""
    reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTest:
    """A test of connections that somebody wanted (E-13)."""

    time: float
    addresses: tuple[str, ...]
    """Of all servers that the configuration names."""
    told: bool = False
    """Whether the agent wrote a result that can be read."""
    results: tuple[PathResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageVisit:
    """What an administrator's browser saw of the agent's pages; as in ``PagesSeen``."""

    time: float
    reached: bool = True
    default_open: bool = False
    clear_status: int = 0
    tls: str = ""
    asks: bool = False
    open_to_all: bool = False
    guessed: bool = False
    let_in: bool = False
    asked_at_guess: int = 0
    asked_at_log_in: int = 0
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Chronicle:
    """All of a life."""

    topology: str
    profile: str
    script: str
    program: str
    own: bool
    """Whether it is the lab's own agent."""
    began: float
    ended: float
    vendor: str = IBM
    """Of the system."""
    hmc_managed: bool = False
    """Whether the system is a partition that an HMC manages."""
    web_port: int = 0
    """Where the agent is to serve pages; 0: it is not to."""
    visits: list[PageVisit] = field(default_factory=list)
    ibm_ids: list[str] = field(default_factory=list)
    """The IBM IDs that the agent was told of."""
    ways: int = 1
    """How many ways home the agent has."""
    connections: list[Connection] = field(default_factory=list)
    """In the configured order; empty where one of the ways is neither direct nor by a proxy."""
    direct: list[str] = field(default_factory=list)
    """The names of those that are the agent's own way over the Internet."""
    stand_ins: list[str] = field(default_factory=list)
    """The addresses of the servers for registration and bulk data, of which one is enough (F-13)."""
    endpoints: dict[str, list[str]] = field(default_factory=dict)
    """The addresses of each name that the agent was told of, in the order of the address tables."""
    places: list[str] = field(default_factory=list)
    """The addresses of all of IBM's servers with TLS."""
    happenings: list[Happening] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """The texts of the problems that the machine told, in order."""
    subscriptions: list[float] = field(default_factory=list)
    """When the agent's host subscribed at the management module (E-05)."""
    noticed: list[str] = field(default_factory=list)
    """The texts of the module's failures of which the agent's host took a notice."""
    module_calls: list[ModuleCall] = field(default_factory=list)
    """The connections to the module (E-04, R-06)."""
    ends: list[str] = field(default_factory=list)
    """How the agent ended, each time that nobody wanted it to."""
    asked: list[ReceiverRequest] = field(default_factory=list)
    messages: list[StoredMessage] = field(default_factory=list)
    machines: list[Enrolled] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    """The reports for which a file arrived whole."""
    uploaded: list[str] = field(default_factory=list)
    """The names of the files that were declared for reports."""
    leaks: list[str] = field(default_factory=list)
    """Messages and files in which IBM has what is the customer's."""
    calls: list[WireCall] = field(default_factory=list)
    clear: list[ClearRequest] = field(default_factory=list)
    sent: int = 0
    """Packets of the agent's host that went beyond its own network, or to a proxy."""
    tests: list[ConnectionTest] = field(default_factory=list)
    inbound: list[float] = field(default_factory=list)
    """When somebody tried to open a connection to the agent's host."""

    def having(self, deed: str) -> list[Happening]:
        """What happened of a kind."""
        return [each for each in self.happenings if each.deed == deed]

    @property
    def failures(self) -> list[Happening]:
        """What the agent was told of: by the machine, and by the management module where the agent's host
        took the notice. What else the module tells is judged by E-05."""
        own = self.having("problem")
        return own + [each for each in self.having("imm") if each.subject in self.noticed]

    def of(self, *kinds: str) -> list[ReceiverRequest]:
        """What the receiver was asked, of certain kinds."""
        return [each for each in self.asked if each.kind in kinds]

    @property
    def service(self) -> list[ReceiverRequest]:
        """What the receiver was asked."""
        return [each for each in self.asked if each.kind]

    @property
    def problems(self) -> list[StoredMessage]:
        return [each for each in self.messages if each.kind == "problem"]

    @property
    def enrolled(self) -> float:
        """When the machine was enrolled first; 0: never."""
        return min((each.time for each in self.of("enrolment") if each.served), default=0.0)

    @property
    def given_up(self) -> str:
        """Why the agent was not there to the end; empty if it was, or if nothing is expected of it."""
        if len(self.ends) < MOST_ENDS or self.idle:
            return ""
        return f"the agent ended by itself {len(self.ends)} times, and was not started again"

    @property
    def idle(self) -> str:
        """Why nothing is expected of an agent; empty if something is."""
        if self.vendor != IBM:
            return f"the system is of {self.vendor}, and reports nothing"
        return "an HMC manages the system, and reports for it" if self.hmc_managed else ""

    def tested_at(self, moment: float) -> bool:
        """Whether a call may be one of a test: those go by every way, and to every server."""
        return any(each.time <= moment <= each.time + TEST_S for each in self.tests)

    @property
    def dark(self) -> list[tuple[float, float]]:
        """When an agent can do nothing: no way leads to IBM's servers by TLS, or it does not run."""
        whole = [
            (each.time, each.until)
            for each in self.happenings
            if each.deed == "kill" or (each.deed == "outage" and self._ends_all(each))
        ]
        return _joined([*whole, *self._all_closed()])

    def _all_closed(self) -> list[tuple[float, float]]:
        """When every connection of the agent's is out of service."""
        spans = [(self.began, self.ended)] if self.connections else []
        for connection in self.connections:
            own = [h for h in self.outages("way", "proxy") if h.subject == connection.name]
            both = ((max(a, h.time), min(b, h.until)) for a, b in spans for h in own)
            spans = [(since, until) for since, until in both if since < until]
        return spans

    def rank(self, call: WireCall) -> int:
        """Which connection it is one of, from 0 on; -1: of none."""
        place = f"{call.address}:{call.port}" if call.proxied else ""
        places = [each.place for each in self.connections]
        return places.index(place) if place in places else -1

    def _ends_all(self, outage: Happening) -> bool:
        match outage.kind_of:
            case "server":
                return {*self.places} <= {*outage.addresses}
            case kind:
                return kind in ("link", "port")

    def darkness(self, since: float, until: float) -> float:
        """How many seconds of a time are dark."""
        return sum(max(0.0, min(until, b) - max(since, a)) for a, b in self.dark)

    def is_dark(self, moment: float) -> bool:
        return any(a <= moment < b for a, b in self.dark)

    def outages(self, *kinds: str) -> Iterator[Happening]:
        """What was out of service, of certain kinds."""
        return (h for h in self.having("outage") if h.kind_of in kinds)

    @property
    def hindrances(self) -> list[Happening]:
        """The outages that may keep a call from IBM."""
        return [each for each in self.having("outage") if each.kind_of != OF_MODULE]


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for since, until in sorted(spans):
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until))
        else:
            joined.append((since, until))
    return joined
