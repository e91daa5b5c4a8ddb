"""The roles that a node can have in IBM's papers, and the traits of each: the one place where a role is told.

Whatever looks for a node looks for its role, and whatever depends on a role reads it here; a node may have
any name. Plain data, which the guest reads too: docs/extending.md says what a new role needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a node is in IBM's papers."""

    hmc = "hmc"
    firewall = "firewall"
    router = "router"
    """Between the customer's firewall and the Internet, the customer's or the carrier's; may do NAT."""
    internet = "internet"
    vpn_gateway = "vpn-gateway"
    sdc = "sdc"
    back_end = "back-end"
    """A server of IBM's behind the front end, which is the sdc (S3 Appendix, Simplified Connectivity)."""
    exchange = "exchange"
    """The public switched telephone network; it has lines and no wires."""
    lig = "lig"
    """AT&T's Local Interface Gateway: answers calls, and fences them in (S4 3.1)."""
    service_dialer = "service-dialer"
    """IBM's special server, which dials a customer's modem (S4 2.2.1)."""
    service_server = "service-server"
    """IBM's Service Server, to which representatives log in (S4 2.2.2)."""
    relay = "relay"
    """IBM's relay for sessions that a console opens by Internet (S3 Internet Connectivity)."""
    intranet = "intranet"
    """A PC of IBM's own people, from which they log in to a service server (S4 2.2.2)."""
    logical_partition = "partition"
    """A logical partition that the HMC manages."""
    i5 = "i5"
    """A partition of i5/OS, which lends its VPN and its modem to an HMC (S4 2.1.4)."""
    imm = "imm"
    """The Integrated Management Module of the agent's system, which tells of failures (S0)."""
    cec = "cec"
    """A managed system (central electronics complex), which knows the consoles that manage it (M-02)."""
    proxy = "proxy"
    """The customer's HTTP proxy (S0, S1, S3, S4 "With Proxy")."""
    service_proxy = "service-proxy"
    """The Service and Support Proxy of Electronic Service Agent, for several agents (S0, S1)."""
    user_target = "user-target"
    """A server of the customer's own choice, which a user enters at an agent by address and port (S1, S3)."""
    host = "host"


class Zone(StrEnum):
    """Whose machine it is."""

    customer = "customer"
    telephone = "telephone"
    carrier = "AT&T"
    internet = "Internet"
    ibm = "IBM"


class Listed(StrEnum):
    """Which of the addresses in the papers' tables a node answers at."""

    gateway = "gateway"
    """The VPN gateway's that the node is called after."""
    servers = "servers"
    """All servers', of every region (F-15)."""
    name_server = "name-server"
    """AT&T's utility service's: a gateway that answers calls is the name server itself (L-03)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """Where PPP's addresses come from if the user gives no pool: one block of ``nets`` for each node."""

    nets: tuple[str, ...]
    first: int
    """How many blocks are left out."""
    block_length: int
    """Prefix length of a block; a longer one stands for blocks as small as the pool."""
    prefix_length: int
    """Of the pool, at the start of the block, if that is enough."""


PUBLIC = ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "198.18.0.0/15")
"""Public, as the callers of a LIG are routed on the Internet, and nobody's: the subnets for examples
(RFC 5737) and for benchmarks (RFC 2544)."""
PUBLIC6 = "2001:db8::/32"
"""The same of IPv6: for examples (RFC 3849)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is true of every node of a role."""

    title: str
    """What ``lab show`` calls it."""
    article: str = "a"
    """Of the role's name, in messages."""
    zone: Zone | None = None
    """Whose it is; without one, the customer's or IBM's, by the side of the Internet on which it stands."""
    forwards: bool = False
    """Whether it passes packets on. An agent's host never does (OUT-04), nor does a server."""
    wired: bool = True
    """Whether it is plugged into links."""
    needed: bool = False
    """Whether every topology has one."""
    only_one: str = ""
    """Why a topology has one at most; empty: any number."""
    takes: tuple[str, ...] = ()
    """The keys that its entry in the file may have, beside ``role``."""
    calls_home: bool = False
    """Whether it may be an agent."""
    guards_ppp: bool = False
    """Whether a firewall of its own applies to its PPP (OUT-22, OUT-26)."""
    answers_calls: bool = False
    """Whether its modems answer the telephone; those of other roles dial."""
    listed: Listed | None = None
    pool: PoolPlan | None = None
    """Where the addresses of those who call it by PPP come from."""
    service: str = ""
    """The module whose ``start`` (a ``lab.ways.ground.StartService``) is what runs on it from the start."""


TRAITS = MappingProxyType(
    {
        Role.hmc: Traits(
            title="Hardware Management Console",
            article="an",
            takes=("count", "modems", "rules"),
            calls_home=True,
            guards_ppp=True,
        ),
        Role.firewall: Traits(
            title="firewall, default deny",
            forwards=True,
            only_one="the lab knows one customer site",
            takes=("snat", "opens", "rules"),
        ),
        Role.router: Traits(title="router", forwards=True, takes=("snat",)),
        Role.internet: Traits(
            title="the Internet",
            article="an",
            zone=Zone.internet,
            forwards=True,
            needed=True,
            only_one="there is only one Internet",
        ),
        Role.vpn_gateway: Traits(
            title="VPN gateway",
            forwards=True,
            takes=("pool", "run"),
            listed=Listed.gateway,
            pool=PoolPlan(
                nets=("10.254.0.0/16", "172.31.0.0/16", "100.64.0.0/10"),
                first=1,  # 10.254.1.0/27 for the first gateway, 10.254.2.0/27 for the second
                block_length=24,
                prefix_length=27,
            ),
        ),
        Role.sdc: Traits(
            title="call-home servers",
            article="an",
            needed=True,
            takes=("literal_tls", "stubs", "moves_to", "run"),
            only_one="one sdc answers at every listed address",
            listed=Listed.servers,
            service="lab.ibm.server",
        ),
        Role.back_end: Traits(
            title="server behind the front end",
            zone=Zone.ibm,
            takes=("serves",),
            service="lab.ibm.back_end",
        ),
        Role.exchange: Traits(
            title="telephone exchange",
            article="an",
            zone=Zone.telephone,
            wired=False,
            only_one="all lines are lines of one exchange",
            takes=("result_codes",),
            service="lab.telephony.equipment",
        ),
        Role.lig: Traits(
            title="Local Interface Gateway, fenced",
            zone=Zone.carrier,
            forwards=True,
            only_one="one lig can have as many modems as it takes",
            takes=("pool", "modems", "fence_ports", "literal_replies"),
            answers_calls=True,
            listed=Listed.name_server,
            pool=PoolPlan(nets=PUBLIC, first=0, block_length=32, prefix_length=28),
            service="tunnels.lig",
        ),
        Role.service_dialer: Traits(
            title="IBM's server that dials customers",
            zone=Zone.ibm,
            only_one="representatives log in to one server",
            takes=("modems",),
        ),
        Role.service_server: Traits(
            title="IBM Service Server",
            article="an",
            zone=Zone.ibm,
            only_one="representatives log in to one server",
        ),
        Role.relay: Traits(
            title="relay for remote service",
            zone=Zone.ibm,
            only_one="an HMC knows one relay",
            service="lab.relay.server",
        ),
        Role.intranet: Traits(title="PC on IBM's intranet", article="an", zone=Zone.ibm),
        Role.logical_partition: Traits(title="logical partition"),
        Role.i5: Traits(
            title="i5/OS partition",
            article="an",
            takes=("modems",),
            calls_home=True,
            service="lab.i5.partition",
        ),
        Role.imm: Traits(
            title="Integrated Management Module",
            article="an",
            zone=Zone.customer,
            only_one="the lab has one module, beside one agent's host",
            service="lab.imm.server",
        ),
        Role.cec: Traits(title="managed system"),
        Role.proxy: Traits(
            title="HTTP proxy",
            takes=("port", "login", "destinations", "run"),
            service="tunnels.proxy",
        ),
        Role.service_proxy: Traits(
            title="Service and Support Proxy",
            takes=("port", "run"),
            only_one="several agents have one in common",
            service="tunnels.proxy",
        ),
        Role.user_target: Traits(
            title="server that a user enters",
            zone=Zone.internet,
            takes=("run",),
            service="lab.offload.server",
        ),
        Role.host: Traits(title="host"),
    }
)
"""Of every role. Services are started in this order, and stopped in the opposite one."""


def taking(key: str) -> tuple[Role, ...]:
    """The roles whose nodes may have a key."""
    return tuple(role for role, traits in TRAITS.items() if key in traits.takes)
