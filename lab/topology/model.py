"""The model: everything about a lab decided, nothing optional, frozen.

``resolve`` makes it from what the user wrote; every later stage reads it and none changes it (a
fault is a function from one model to another). Plain data that survives ``lab.codec``, so the guest
needs neither pydantic nor YAML. No effects, and nothing that only a running lab can know.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.secret import Secret
from lab.topology.ppp import PppAccount as PppAccount
from lab.topology.ppp import PppAuth as PppAuth
from lab.topology.ppp import PppServer as PppServer
from lab.topology.telephone import Dialer, Lig, Telephone


class Role(StrEnum):
    """What a node is in IBM's papers."""

    hmc = "hmc"
    firewall = "firewall"
    internet = "internet"
    vpn_gateway = "vpn-gateway"
    sdc = "sdc"
    exchange = "exchange"
    """The public switched telephone network; it has lines and no wires."""
    lig = "lig"
    """AT&T's Local Interface Gateway: answers calls, and fences them in (S4 3.1)."""
    host = "host"


class PathKind(StrEnum):
    """How the agent's host reaches IBM."""

    direct = "direct"
    vpn = "vpn"
    dial = "dial"


class Encapsulation(StrEnum):
    """RFC 2407 4.5 encapsulation mode of the ESP SA."""

    tunnel = "tunnel"
    transport = "transport"


class SessionLayout(StrEnum):
    """X-08: several PPP sessions share one L2TP tunnel, or each has a tunnel of its own."""

    sessions = "sessions"
    tunnels = "tunnels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One captured wire: a switch that every attached interface plugs into."""

    name: str
    subnet: str
    rate_bit_s: int
    """Each interface's transmit rate."""
    delay_s: float
    """One-way delay between any two interfaces of the segment."""
    mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A node's plug in a segment; its name in the node is the segment's name."""

    segment: str
    mac: str
    address: str
    """With prefix length: ``192.168.10.10/24``."""

    @property
    def name(self) -> str:
        return self.segment

    @property
    def ip(self) -> str:
        return self.address.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A static route: ``destination`` is a prefix or ``default``."""

    destination: str
    via: str
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A host of the lab, with its own network, mount and UTS namespace."""

    name: str
    role: Role
    interfaces: tuple[Interface, ...]
    service_addresses: tuple[str, ...]
    """Addresses without a wire of their own (``129.42.160.16``): /32 on ``lo``, routed to it."""
    routes: tuple[Route, ...]
    forwarding: bool
    hosts: tuple[tuple[str, str], ...]
    """The node's hosts table: (address, name)."""

    def interface(self, segment: str) -> Interface:
        return next(i for i in self.interfaces if i.segment == segment)

    @property
    def uplink(self) -> Interface:
        """The interface of the default route; of a host that no way leads out of, its first."""
        by_default = [route.interface for route in self.routes if route.destination == "default"]
        return self.interface(by_default[0]) if by_default else self.interfaces[0]


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
    """An address on IBM's side."""
    protocol: str
    """``tcp``, ``udp``, ``esp`` or ``icmp-echo``."""
    port: int
    both_ways: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRule:
    """Something that a node on the way loses: how faults are written, each with a counter.

    ``above_bytes`` > 0 narrows it to IP packets longer than that.
    """

    name: str
    node: str
    protocol: str
    """``udp``, ``esp``, ``tcp``, ``icmp`` or ``any``."""
    port: int
    above_bytes: int
    source: str
    """A prefix, or ``0.0.0.0/0``."""
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """The customer's firewall: default-deny on forward, in and out."""

    node: str
    inside: str
    """The segment of the customer's side."""
    outside: str
    snat: bool
    rules: tuple[AllowRule, ...]

    # What the firewall turns the source into is its own address on ``outside``.


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSide:
    """What one end of an IKEv1 connection believes."""

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
    """IKEv1 main mode with a PSK and ESP (P-01 to P-06), of one client to one gateway."""

    name: str
    """``<client>-<gateway>``."""
    client: str
    gateway: str
    client_address: str
    gateway_address: str
    client_side: IkeSide
    gateway_side: IkeSide
    ike_lifetime_s: int
    rekey_min_s: int
    """ESP keys are renegotiated at a random time between these two (P-06)."""
    rekey_max_s: int
    esp_lifetime_s: int
    dpd_delay_s: int
    dpd_timeout_s: int
    retransmit_tries: int
    retransmit_timeout_s: float
    retransmit_base: float


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
class VpnPath:
    """A client's way home by VPN: gateways in the order in which they are tried (R-07)."""

    client: str
    gateways: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A listed server address: where an agent may connect, and the row that lists it."""

    name: str
    address: str
    port: int
    row: str
    """The address table's row: ``A-38``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EspMeddling:
    """An ESP packet that is altered or sent twice on the way (tampered-esp, replayed-esp)."""

    node: str
    action: str
    """``tamper`` or ``replay``."""
    packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that befalls a running lab: at which phase, and what is done to ``node``."""

    at: str
    """``before-call-home`` or ``during-call-home``."""
    action: str
    """``kill-daemons``."""
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A whole lab."""

    name: str
    summary: str
    source: str
    """The file that it came from."""
    profile: str
    path: PathKind
    agents: tuple[str, ...]
    """The hosts that call home; the first is the default NODE."""
    segments: tuple[Segment, ...]
    nodes: tuple[Node, ...]
    firewall: Firewall | None
    ipsec: tuple[IpsecConnection, ...]
    l2tp_servers: tuple[L2tpServer, ...]
    l2tp_clients: tuple[L2tpClient, ...]
    vpn_paths: tuple[VpnPath, ...]
    endpoints: tuple[Endpoint, ...]
    """Every listed server address of the profile that the path can use, in the order of trying; of
    those ``endpoints_of`` an agent may have some only."""
    probe: str
    """``LAB_PROBE``: answers ping at the far end of the path."""
    expect: tuple[str, ...]
    """Requirement IDs to be judged."""
    telephone: Telephone | None = None
    dialers: tuple[Dialer, ...] = ()
    lig: Lig | None = None
    region: str = "all"
    """Where the customer is, as the address tables say it: ``americas``, ``non-americas``."""
    drops: tuple[DropRule, ...] = ()
    meddling: tuple[EspMeddling, ...] = ()
    happenings: tuple[Happening, ...] = ()
    fault: str = ""

    def node(self, name: str) -> Node:
        return next(n for n in self.nodes if n.name == name)

    def segment(self, name: str) -> Segment:
        return next(s for s in self.segments if s.name == name)

    def endpoints_of(self, agent: str) -> tuple[Endpoint, ...]:
        """Where an agent may call home: by telephone only what AT&T lists for its user id (L-08)."""
        users = [d.account.user for d in self.dialers if d.client == agent]
        listed = [x.addresses for x in self.lig.lists if x.user in users] if self.lig else []
        if not listed:
            return self.endpoints
        own = [e for e in self.endpoints if e.address in listed[0]]
        return tuple(sorted(own, key=lambda endpoint: listed[0].index(endpoint.address)))

    def dial_account(self, agent: str) -> PppAccount | None:
        """With what an agent's host authenticates itself to AT&T's gateway, if there is one (P-11)."""
        for dialer in self.dialers:
            if dialer.client == agent:
                return dialer.account
        if self.lig is None:
            return None
        return self.lig.ppp.accounts[self.agents.index(agent)]

    def members(self, segment: str) -> tuple[Node, ...]:
        """The nodes that are plugged into a segment."""
        return tuple(n for n in self.nodes if any(i.segment == segment for i in n.interfaces))
