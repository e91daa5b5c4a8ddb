"""What a life is made of: events at times. Plain data for both sides; ``script_file`` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Deed(StrEnum):
    """What happens at one time of a life."""

    problem = "problem"
    """The machine's hardware tells of a failure."""
    imm = "imm"
    """The management module tells of a failure (E-05)."""
    fix = "fix"
    """Somebody at the machine wants IBM's fixes (OUT-41, OUT-42)."""
    inventory = "inventory"
    """The HMC that manages the system has the agent send the inventory (E-16)."""
    browse = "browse"
    """The customer's administrator looks at the agent's pages, and logs in (E-01 to E-03)."""
    test = "test"
    """Somebody at the machine has the agent test its connections (E-13)."""
    outage = "outage"
    """A server, a link, a proxy, a way or a port serves nobody for a time."""
    move = "move"
    """An errand's servers have other addresses from now on, and the configuration says so (R-04)."""
    relocate = "relocate"
    """IBM's servers leave their addresses for others, and DNS alone says so (R-10)."""
    password = "password"
    """IBM wants the password changed now (E-09)."""
    reset = "reset"
    """IBM resets the machine's password: the machine has to enrol again (E-10)."""
    certificate = "certificate"
    """IBM's servers have a new certificate, by the same authority."""
    clock = "clock"
    """The clock of the agent's host leaps."""
    kill = "kill"
    """The agent is killed (SIGKILL), and started again."""
    close = "close"
    """IBM closes the oldest problem that is open (E-21)."""
    access_key = "access-key"
    """The access key ends soon (E-19)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeEvent:
    """One event of a life. Times are seconds; ``at_s`` is since the beginning."""

    at_s: float
    do: Deed
    line: int = 0
    """Of the script's file."""
    of: str = ""
    """What has an outage: a listed server's name or address, a link, a proxy, a direct way, tcp/PORT, or a
    port of the management module."""
    how: str = ""
    """Of a proxy's outage: ``refuses``, ``silent`` or ``busy``; empty: it refuses."""
    for_s: float = 0.0
    """Of an outage and of a killed agent: how long. Of an access key: how long it still lives."""
    by_s: float = 0.0
    """How far the clock leaps; backwards if negative."""
    code: str = ""
    """The reference code of a problem, or of what the module tells."""
    severity: str = ""
    """Of what the module tells: ``degraded``, ``minor``, ``major``, ``critical`` or ``fatal``."""
    text: str = ""
    """What the module tells, in words."""
    errand: str = ""
    """Whose servers move."""
    to: tuple[str, ...] = ()
    """The URLs of these servers from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSystem:
    """What the system is on which the agent lives, and what its people have settled with IBM."""

    vendor: str = "IBM"
    """An agent activates on IBM's systems alone (E-17)."""
    hmc_managed: bool = False
    """Whether it is a partition that an HMC manages: nobody activates the agent there (E-16, X-33)."""
    web_port: int = 0
    """Where the agent is to serve its pages (E-01); 0: it is not to."""
    ibm_ids: tuple[str, ...] = ()
    """Who is to see the system's data at IBM; an agent takes two at most (E-18)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A whole life."""

    name: str
    summary: str
    topology: str
    """In which it is lived unless the user names another."""
    lasts_s: float
    servers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Errands whose servers are others at first than the address tables list: what the first configuration
    says, and what the agent begins with."""
    system: LifeSystem = LifeSystem()
    events: tuple[LifeEvent, ...] = ()
    """In the order of their times."""

    def having(self, deed: Deed) -> tuple[LifeEvent, ...]:
        """The events of a kind."""
        return tuple(event for event in self.events if event.do is deed)
