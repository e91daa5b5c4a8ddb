"""The model of the VPN: whom each client connects to, and how. Plain data, as all of ``model``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.secret import Secret
from lab.topology.model import Topology, Way
from lab.topology.ppp import PppAccount, PppAuth, PppServer

FIREWALL_REQUIREMENTS = ("F-06", "F-07")
"""By which a firewall's rules for the VPN are asked for: without NAT, and behind it."""


class Encapsulation(StrEnum):
    """RFC 2407 4.5 encapsulation mode of the ESP SA."""

    tunnel = "tunnel"
    transport = "transport"


class SessionLayout(StrEnum):
    """X-08: several PPP sessions share one L2TP tunnel, or each has a tunnel of its own."""

    sessions = "sessions"
    tunnels = "tunnels"


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSide:
    """What one end of a connection believes."""

    identity: str
    """Its own: an IPv4 address (ID_IPV4_ADDR) or a name (ID_FQDN)."""
    expects: str
    """The identity that it demands of the other end; ``%any`` where it takes all."""
    psk: Secret
    ike_proposal: str
    """strongSwan's spelling: ``3des-md5-modp1024``."""
    esp_proposal: str
    encapsulation: Encapsulation


@dataclass(frozen=True, slots=True, kw_only=True)
class IpsecConnection:
    """IKE with a PSK, in version 1 by main mode, and ESP (P-01 to P-06), of one client to one gateway."""

    name: str
    """``<client>-<gateway>``."""
    client: str
    gateway: str
    client_address: str
    """On its uplink; empty by telephone, where each call is given one (P-12)."""
    gateway_address: str
    client_side: IkeSide
    gateway_side: IkeSide
    ike_lifetime_s: int
    rekey_min_s: int
    """ESP keys are renegotiated at a random time between these two (P-06)."""
    rekey_max_s: int
    esp_lifetime_s: int
    version: int = 1
    """Of IKE."""
    dpd_delay_s: int
    dpd_timeout_s: int
    retransmit_tries: int
    retransmit_timeout_s: float
    retransmit_base: float

    @property
    def retransmit_budget_s(self) -> float:
        """How long an unanswered message is repeated before its peer counts as silent."""
        tries = range(self.retransmit_tries + 1)
        return sum(self.retransmit_timeout_s * self.retransmit_base**number for number in tries)


@dataclass(frozen=True, slots=True, kw_only=True)
class L2tpServer:
    """The LNS of a gateway (RFC 2661)."""

    gateway: str
    address: str
    hostname: str
    ppp: PppServer
    mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class L2tpClient:
    """The LAC in a client; ``sessions`` PPP sessions to whichever gateway is up."""

    client: str
    hostname: str
    layout: SessionLayout
    sessions: int
    accept_auth: tuple[PppAuth, ...]
    """What the client's PPP agrees to authenticate with (P-09: CHAP only)."""
    account: PppAccount
    mtu: int
    """PPP MTU and MRU by the arithmetic of T1-13."""
    hello_s: int
    lcp_echo_interval_s: int
    lcp_echo_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VpnPlan(Way):
    """A way home by VPN: gateways in the order in which they are tried (R-07)."""

    gateways: tuple[str, ...]
    partition: str = ""
    """The partition of i5/OS whose IPsec it is, for all agents (OUT-27); empty: each agent has its own."""
    connections: tuple[IpsecConnection, ...]
    """Of each agent, or of the partition, to each gateway."""
    clients: tuple[L2tpClient, ...]
    servers: tuple[L2tpServer, ...]
    """Of each gateway; two ways over one gateway have the same."""

    @property
    def dials(self) -> bool:
        """By telephone IPsec ends on the agent's host, by pass-through at the partition."""
        return bool(self.over) and not self.partition

    @property
    def peers(self) -> tuple[str, ...]:
        return tuple(server.ppp.local_ip for server in self.servers)

    @property
    def tunnel_ends(self) -> tuple[str, ...]:
        return self.gateways

    @property
    def tunnel_start(self) -> str:
        return self.partition

    def connection(self, client: str, gateway: str) -> IpsecConnection:
        end = self.partition or client
        return next(c for c in self.connections if (c.client, c.gateway) == (end, gateway))

    def client(self, name: str) -> L2tpClient:
        return next(c for c in self.clients if c.client == name)

    def server(self, gateway: str) -> L2tpServer:
        return next(s for s in self.servers if s.gateway == gateway)


Plan = VpnPlan


def in_udp(topology: Topology, way: VpnPlan) -> bool:
    """Whether ESP has to go in UDP 4500 (RFC 3947): no NAT is on the way of a telephone call."""
    return bool(topology.seen_address) and not way.dials


def plans(topology: Topology) -> tuple[VpnPlan, ...]:
    return tuple(way for way in topology.ways if isinstance(way, VpnPlan))


def lent_by(topology: Topology, partition: str) -> VpnPlan | None:
    """The way by VPN that a partition of i5/OS lends: it lends one, to all who have it; None if none."""
    return next((plan for plan in plans(topology) if plan.partition == partition), None)


def connections(topology: Topology) -> tuple[IpsecConnection, ...]:
    return tuple(c for plan in plans(topology) for c in plan.connections)


def clients(topology: Topology) -> tuple[L2tpClient, ...]:
    """Every client's side of L2TP."""
    return tuple(c for plan in plans(topology) for c in plan.clients)


def servers(topology: Topology) -> tuple[L2tpServer, ...]:
    """Every gateway's side of L2TP, once."""
    return tuple(dict.fromkeys(s for plan in plans(topology) for s in plan.servers))
