"""The model of who dials home, and with what. Plain data, as all of ``model``."""

from __future__ import annotations

from dataclasses import dataclass

from lab.topology.model import Endpoint, Topology, Way
from lab.topology.ppp import PppAccount, PppAuth

INTERFACE = "ppp0"
"""PPP's of a call by a client's own modem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialer:
    """A client's way home by telephone (OUT-23, OUT-25)."""

    client: str
    partition: str = ""
    """The partition of i5/OS whose modem dials (OUT-30); empty: the client's own does."""
    devices: tuple[str, ...]
    """Serial ports that ``modem_node`` looks at for a modem, in order; may be without one (OUT-24)."""
    init: str
    """What the modem is told first: ``ATZ``, or an init string of the customer's."""
    numbers: tuple[str, ...]
    """In the order in which they are tried."""
    rounds: int
    """How many times the whole list is tried."""
    redial_pause_s: float
    account: PppAccount
    """PAP (P-11): ``<account>.<user id>`` and its password."""
    accept_auth: tuple[PppAuth, ...]
    region: str
    """Of which region AT&T's list for the id is (L-10): ``americas``, ``non-americas``, ``all``."""
    mtu: int
    lcp_echo_interval_s: int
    lcp_echo_failures: int
    endpoints: tuple[Endpoint, ...]
    """Where the client may call home: what AT&T lists for the user id (L-08), in that order."""

    @property
    def modem_node(self) -> str:
        """Where the modem is that dials."""
        return self.partition or self.client


@dataclass(frozen=True, slots=True, kw_only=True)
class DialPlan(Way):
    """A way home by telephone."""

    dialers: tuple[Dialer, ...]
    """One for each agent, with a modem or without (OUT-24); over pass-through all dial by the partition's."""
    peer: str
    """PPP's address at AT&T's gateway."""

    @property
    def dials(self) -> bool:
        return True

    @property
    def peers(self) -> tuple[str, ...]:
        return (self.peer,)

    def endpoints_of(self, agent: str) -> tuple[Endpoint, ...]:
        return self.dialer(agent).endpoints

    def dialer(self, client: str) -> Dialer:
        return next(d for d in self.dialers if d.client == client)


Plan = DialPlan


def plans(topology: Topology) -> tuple[DialPlan, ...]:
    return tuple(way for way in topology.ways if isinstance(way, DialPlan))


def dialers(topology: Topology) -> tuple[Dialer, ...]:
    """Every client that dials, of every way."""
    return tuple(d for plan in plans(topology) for d in plan.dialers)
