"""What happens in an agent's life beside what the agent does; the source is the node that it happens to."""

from __future__ import annotations

from lab.record.event import Event

LEDGER = "agent-ledger.jsonl"
"""What the lab's own agent says of itself, beside its log: shown, and no proof of anything."""


class LifeBegun(
    Event,
    topic="life",
    tells="{source}: {program} begins a life of {lasts_s:g} s",
    aspects={
        "the agent of {source} was": "{program}, {whose}",
        "the life of {source} was to last": "{lasts_s} s",
        "the vendor of {source} was": "{vendor}",
        "{source} was managed by an HMC:": "{hmc_managed}",
        "the web port of {source} was to be": "{web_port}",
        "the IBM IDs that {source} was told of were": "{ibm_ids}",
        "the servers that {source} was told of were": "{hosts}",
    },
):
    """The agent's program is about to be started, and the script begins."""

    program: str
    own: bool
    """Whether it is the lab's own agent."""
    lasts_s: float
    vendor: str = ""
    """Of the system."""
    hmc_managed: bool = False
    web_port: int = 0
    ibm_ids: tuple[str, ...] = ()
    """Those that the agent was told of."""
    hosts: tuple[str, ...] = ()
    """The servers that the agent was told of: names, or addresses."""

    @property
    def whose(self) -> str:
        return "the lab's own" if self.own else "not the lab's own"


class LifeHappened(
    Event,
    topic="life",
    tells="{source}: {deed} {subject}",
    aspects={
        "{source}'s {deed} {subject} was about the addresses": "{addresses}",
        "{source}'s {deed} {subject} was about the URLs": "{urls}",
        "{source}'s {deed} {subject} was about the errand": "{errand}",
        "{source}'s {deed} {subject} was one of the kind": "{kind_of}",
        "{source}'s {deed} {subject} was by": "{by_s} s",
        "{source}'s {deed} {subject} led names to": "{led_to}",
    },
    chance="until",
):
    """An event of the script has happened."""

    deed: str
    """As the script has it: ``outage``."""
    subject: str = ""
    """What the event is about: what is out of service, the text of a problem, a number."""
    until: float = 0.0
    """On the lab's clock, of what passes; 0: nothing does."""
    addresses: tuple[str, ...] = ()
    """The addresses of IBM's that are out of service, that an errand has left, or that a test is to ask."""
    urls: tuple[str, ...] = ()
    """Of a move: where the errand is done from now on."""
    errand: str = ""
    kind_of: str = ""
    """Of an outage: ``server``, ``link``, ``proxy``, ``way``, ``port`` or ``module``."""
    by_s: float = 0.0
    led_to: tuple[str, ...] = ()
    """Of a relocation: the addresses to which the names lead from now on."""


class LifePassed(Event, topic="life", tells="{source}: {subject} is back"):
    """What was out of service is in service again."""

    subject: str


class ProblemCame(Event, topic="life", tells="{source} has {number}: {text}"):
    """A problem is in IBM's store; told with the next event of the script."""

    number: str
    text: str


class PagesSeen(
    Event,
    topic="life",
    tells="{source}: an administrator looks at port {port}",
    aspects={
        "somebody listened at port {port} of {source}:": "{reached}",
        "port 5024 of {source} was open beside port {port}:": "{default_open}",
        "port {port} of {source} answered a request in clear with": "status {clear_status}",
        "the TLS of port {port} of {source} was": "{tls}",
        "port {port} of {source} asked for a log-in:": "{asks}",
        "port {port} of {source} was open to all:": "{open_to_all}",
        "port {port} of {source} let a guessed password in:": "{guessed}",
        "port {port} of {source} let the right password in:": "{let_in}",
        "PAM of {source} was asked, at the guess, at the log-in:": "{asked_at_guess}, {asked_at_log_in}",
    },
):
    """What an administrator's browser saw of the agent's pages; never a password."""

    port: int
    reached: bool
    """Whether anybody listens there."""
    default_open: bool
    """Whether port 5024 is open, where another one was chosen."""
    clear_status: int
    """Of the answer to a request without TLS; 0: none in HTTP."""
    tls: str
    asks: bool
    """Whether the first page asks for a log-in."""
    open_to_all: bool
    """Whether it shows something to anybody."""
    guessed: bool
    """Whether a wrong password let the browser in."""
    let_in: bool
    """Whether the right one did."""
    asked_at_guess: int
    """How often PAM was asked meanwhile."""
    asked_at_log_in: int
    detail: str
    """What kept the browser from a log-in."""


class AgentStarted(Event, topic="life", tells="{source}: the agent is started"):
    """The agent's program is started, or once again."""

    pid: int


class AgentEnded(
    Event,
    topic="life",
    tells="{source}: the agent ended {how}",
    aspects={"the agent of {source} ended {how}, and the lab wanted that:": "{wanted}"},
):
    """The agent's program has ended."""

    how: str
    wanted: bool
    """Whether the lab ended it: at the life's end, or as the script says."""


class LifeEnded(Event, topic="life", tells="{source}: the life is over"):
    """The script is at its end, and the agent is told to end."""


KINDS = (
    LifeBegun,
    LifeHappened,
    LifePassed,
    ProblemCame,
    PagesSeen,
    AgentStarted,
    AgentEnded,
    LifeEnded,
)
