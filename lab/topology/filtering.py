"""The customer's firewall in the model, and routers behind it: what passes, what is hidden. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab import codec


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowRule:
    """One thing that the default-deny firewall lets through, and the requirement that asks for it.

    The initiator's direction is given; replies of tracked flows pass (X-11).
    ``port`` is 0 where the protocol has none; ``stateless_back`` also admits the reverse direction
    as the first packet (F-06, F-07: "in both directions").
    """

    requirement: str
    source: str
    """An address or prefix on the customer's side."""
    destination: str
    """An address on IBM's side, or a host name: then whatever addresses the resolver was told of it."""
    protocol: str
    """``tcp``, ``udp``, ``esp`` or ``icmp-echo``."""
    port: int
    both_ways: bool
    port_to: int = 0
    """The last port of a range that begins with ``port``; 0 if it is one port."""
    towards: str = field(default="", metadata=codec.LEFT_OUT)
    """The segment of another network of the customer's that it leads to; empty: to the Internet."""

    def admits(self, port: int) -> bool:
        """Whether a port is the rule's; any is where the rule names none."""
        return self.port in (0, port) or self.port <= port <= self.port_to

    @property
    def is_by_name(self) -> bool:
        return ":" not in self.destination and not self.destination[-1:].isdigit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """The customer's firewall: default-deny on forward, in and out."""

    node: str
    inside: str
    """The segment of the customer's side; of several the first (``Topology.insides`` has all)."""
    outside: str
    snat: bool
    rules: tuple[AllowRule, ...]
    inspects: bool = False
    """Whether it breaks open the TLS that its rules let pass (tls-inspection)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRouter:
    """A router between the customer's firewall and the Internet: the customer's, or the carrier's."""

    node: str
    inside: str
    """The segment towards the firewall."""
    outside: str
    """The segment towards the Internet."""
    snat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRule:
    """Something that a node on the way loses: how faults are written, each with a counter.

    ``above_bytes`` > 0 narrows it to IP packets longer than that.
    """

    name: str
    node: str
    protocol: str = "any"
    """``udp``, ``esp``, ``tcp``, ``icmp`` or ``any``."""
    port: int = 0
    above_bytes: int = 0
    source: str = "0.0.0.0/0"
    """A prefix, of IPv4 or IPv6; ``0.0.0.0/0`` here is any of either."""
    destination: str = "0.0.0.0/0"
    own: bool = False
    """Whether the node loses what is for itself, and not what it passes on."""
    passing: bool = False
    """Whether it ends once every agent has called home, or tried to; then all call again."""
