"""The model: everything about a lab decided, nothing optional, frozen.

``resolve`` makes it; every later stage reads it and none changes it (a fault makes one model of another).
Plain data that survives ``lab.codec``: no pydantic, no YAML, and nothing that only a running lab can know.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab import codec
from lab.topology.consoles import Console
from lab.topology.dns import Dns
from lab.topology.errand_kinds import ErrandKind
from lab.topology.family import V4_ONLY, Family
from lab.topology.filtering import AllowRule as AllowRule
from lab.topology.filtering import DropRule as DropRule
from lab.topology.filtering import EdgeRouter as EdgeRouter
from lab.topology.filtering import Firewall as Firewall
from lab.topology.fleet import Fleet
from lab.topology.held_events import HeldEvents
from lab.topology.management import ModulePlan
from lab.topology.modem_family import FamilyOfNode
from lab.topology.own_program import OwnProgram
from lab.topology.own_rules import OwnRules
from lab.topology.ppp import PppAccount as PppAccount
from lab.topology.ppp import PppAuth as PppAuth
from lab.topology.ppp import PppServer as PppServer
from lab.topology.proxy import HttpProxy
from lab.topology.roles import Role as Role
from lab.topology.segment import Segment as Segment
from lab.topology.servers import BackEnd, ListedServer, Stub, TlsPlan
from lab.topology.service import RemoteService as RemoteService
from lab.topology.telephone import Lig, ModemLine, Telephone
from lab.topology.user_targets import UserTarget

HTTP_PORT, HTTPS_PORT = 80, 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A node's plug in a segment; its name in the node is the segment's name."""

    segment: str
    mac: str
    address: str
    """With prefix length: ``192.168.10.10/24``."""
    address6: str = ""
    """The same of IPv6; empty on a wire without it."""

    @property
    def name(self) -> str:
        return self.segment

    @property
    def ip(self) -> str:
        return self.address.partition("/")[0]

    @property
    def ips(self) -> tuple[str, ...]:
        """Without prefix lengths: of IPv4, and of IPv6 where there is one."""
        return tuple(each.partition("/")[0] for each in (self.address, self.address6) if each)

    @property
    def ip6(self) -> str:
        """Without prefix length; empty without IPv6."""
        return self.address6.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A static route: ``destination`` is a prefix or ``default``; ``via`` is of the same version of IP."""

    destination: str
    via: str
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """A host of the lab, which gets its own network, mount and UTS namespace."""

    name: str
    role: Role
    interfaces: tuple[Interface, ...]
    service_addresses: tuple[str, ...]
    """Addresses without a wire of their own (``129.42.160.16``): /32 or /128 on ``lo``, routed to it."""
    routes: tuple[Route, ...]
    forwarding: bool
    hosts: tuple[tuple[str, str], ...]
    """The node's hosts table: (address, name)."""
    unlisted_addresses: tuple[str, ...] = ()
    """More of such addresses, which no paper lists: of IBM's name server."""
    resolver: str = ""
    """The address of the name server that the node asks; empty: none."""

    def interface(self, segment: str) -> Interface:
        return next(i for i in self.interfaces if i.segment == segment)

    @property
    def uplink(self) -> Interface:
        """The interface of the default route; of a host that no way leads out of, its first."""
        by_default = [route.interface for route in self.routes if route.destination == "default"]
        return self.interface(by_default[0]) if by_default else self.interfaces[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A listed server address: where an agent may connect, and the row that lists it."""

    name: str
    address: str
    port: int
    row: str
    """The address table's row: ``A-38``."""

    @property
    def url(self) -> str:
        """``https://www6.software.ibm.com``; at port 80 HTTP in clear."""
        if self.port == HTTP_PORT:
            return f"http://{self.name}"
        return f"https://{self.name}" + ("" if self.port == HTTPS_PORT else f":{self.port}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What agents do by a way in the place of a heartbeat, and at which servers."""

    kind: ErrandKind
    way: str
    variant: str
    """Whose servers, where the profile has two sets: ``ssl``, ``ursf``; empty where it has one."""
    endpoints: tuple[Endpoint, ...]
    """In the order of trying: HTTPS first, and downloads in clear after that (OUT-32)."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Each server's, by name, once."""
        return tuple(dict.fromkeys(endpoint.url for endpoint in self.endpoints))


@dataclass(frozen=True, slots=True, kw_only=True)
class EspMeddling:
    """An ESP packet that is altered or sent twice on the way (tampered-esp, replayed-esp)."""

    node: str
    action: str
    """``tamper`` or ``replay``."""
    packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way home of certain agents. What each kind of way decides is in its own ``lab.ways.<kind>.plan``."""

    name: str
    kind: str
    over: str
    """The way that this one runs over; empty if it runs over the wires or the telephone."""
    agents: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    """Every listed server address that can be called by this way, in the order of trying."""
    probe: str
    """``LAB_PROBE``: answers ping at the far end of the way."""

    @classmethod
    def concrete(cls, value: dict[str, object]) -> type[Way]:
        """Of what class a way in a model's text is: ``lab.codec`` asks."""
        from lab import ways

        plan: type[Way] = ways.stage(str(value["kind"]), "plan").Plan
        return plan

    @property
    def dials(self) -> bool:
        """Whether the way goes over the telephone, by itself or by the way below."""
        return False

    def endpoints_of(self, agent: str) -> tuple[Endpoint, ...]:
        """Those of ``endpoints`` that an agent may call."""
        return self.endpoints

    def environment(self, topology: Topology, agent: str) -> dict[str, str]:
        """What commands on an agent's host are told of the way; nothing but its name, if it is not here."""
        return {}

    @property
    def ip_families(self) -> tuple[Family, ...]:
        """By which versions of IP servers are called, the preferred one first."""
        return V4_ONLY

    @property
    def peers(self) -> tuple[str, ...]:
        """The addresses of PPP at the far end, by which the way is told from others; none without PPP."""
        return ()

    @property
    def tunnel_ends(self) -> tuple[str, ...]:
        """The nodes where a tunnel of the way may end, in the order of trying; none without a tunnel."""
        return ()

    @property
    def tunnel_start(self) -> str:
        """The node where it begins, if that is not the agent's host."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A host that calls home."""

    name: str
    ways: tuple[str, ...]
    """The names of its ways home, in the order in which they are tried."""
    calls_at_s: float = field(default=0.0, metadata=codec.LEFT_OUT)
    """Seconds after the ways are up at which it calls home; in that order agents take turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A whole lab."""

    name: str
    summary: str
    source: str
    """The file that it came from."""
    profile: str
    region: str
    """Where the customer is, as the address tables say it: ``americas``, ``non-americas``."""
    ways: tuple[Way, ...]
    callers: tuple[Agent, ...]
    """The hosts that call home; the first is the default NODE."""
    segments: tuple[Segment, ...]
    nodes: tuple[NodePlan, ...]
    firewall: Firewall | None
    telephone: Telephone | None
    lig: Lig | None
    expect: tuple[str, ...]
    """Requirement IDs to be judged."""
    routers: tuple[EdgeRouter, ...] = ()
    """Between the firewall and the Internet, the nearest to the firewall first."""
    proxies: tuple[HttpProxy, ...] = ()
    dns: Dns | None = None
    """The name servers; None where the hosts tables have all names."""
    service: RemoteService | None = None
    """Inbound remote service, where it is tried."""
    servers: tuple[ListedServer, ...] = ()
    """Everything that ``sdc`` listens for: of all regions and variants, whatever the ways lead to."""
    tls: tuple[TlsPlan, ...] = ()
    """The plans that the servers name."""
    stubs: tuple[Stub, ...] = ()
    """What a user has the servers answer, in the order of trying."""
    own_rules: tuple[OwnRules, ...] = ()
    """In the place of the lab's, on the firewall; on an HMC before the lab's."""
    own_programs: tuple[OwnProgram, ...] = ()
    modem_families: tuple[FamilyOfNode, ...] = ()
    """The nodes whose modems are of a maker's family, and not the lab's own."""
    back_ends: tuple[BackEnd, ...] = ()
    """The servers behind the front end; without one, the front end does everything itself."""
    errands: tuple[Errand, ...] = ()
    """In the order in which an agent does those of its way."""
    drops: tuple[DropRule, ...] = ()
    meddling: tuple[EspMeddling, ...] = ()
    deaths: tuple[str, ...] = ()
    """The nodes that die while an agent calls home."""
    fault: str = ""
    consoles: tuple[Console, ...] = field(default=(), metadata=codec.LEFT_OUT)
    """Those that look for each other."""
    fleets: tuple[Fleet, ...] = field(default=(), metadata=codec.LEFT_OUT)
    """Which of the nodes the file names once, with a count."""
    modules: tuple[ModulePlan, ...] = field(default=(), metadata=codec.LEFT_OUT)
    """The management modules beside agents' hosts."""
    user_targets: tuple[UserTarget, ...] = field(default=(), metadata=codec.LEFT_OUT)
    """Where agents connect, beside the lists, because users have entered that."""
    events: HeldEvents | None = field(default=None, metadata=codec.LEFT_OUT)
    """Whose events wait for approval, and who approves; None where nobody does."""

    @property
    def agents(self) -> tuple[str, ...]:
        """The names of the hosts that call home."""
        return tuple(agent.name for agent in self.callers)

    def is_stood_in(self, node: str) -> bool:
        """Whether a command in a node is the user's own console, whose remote service is put to the test."""
        service = self.service
        return service is not None and bool(service.by) and node == service.console

    def way(self, name: str) -> Way:
        return next(way for way in self.ways if way.name == name)

    @property
    def own_ways(self) -> tuple[Way, ...]:
        """The ways that some agent comes home by: without those that only carry others."""
        own = {name for agent in self.callers for name in agent.ways}
        return tuple(way for way in self.ways if way.name in own)

    def below(self, way: Way) -> Way | None:
        """The way that another one runs over; None if that runs over the wires or the telephone."""
        return self.way(way.over) if way.over else None

    def is_in_calls(self, way: Way) -> bool:
        """Whether a way runs over one by telephone, in calls."""
        below = self.below(way)
        return below is not None and below.dials

    def kinds_of(self, way: Way) -> tuple[str, ...]:
        """A way's kind, and that of the way below."""
        below = self.below(way)
        return (way.kind, below.kind) if below is not None else (way.kind,)

    def ways_of(self, agent: str) -> tuple[Way, ...]:
        """An agent's ways home, in the order in which they are tried; none of another node."""
        names = next((caller.ways for caller in self.callers if caller.name == agent), ())
        return tuple(self.way(name) for name in names)

    @property
    def seen_address(self) -> str:
        """What the Internet sees of the customer by IPv4: the last NAT's address; empty without NAT."""
        edges = (*((self.firewall,) if self.firewall else ()), *self.routers)
        seen = [self.node(e.node).interface(e.outside).ip for e in edges if e.snat]
        return seen[-1] if seen else ""

    @property
    def insides(self) -> tuple[str, ...]:
        """The segments on the customer's side of the firewall; none without one."""
        if self.firewall is None:
            return ()
        plugs = self.node(self.firewall.node).interfaces
        return tuple(plug.segment for plug in plugs if plug.segment != self.firewall.outside)

    def inside_of(self, address: str) -> str:
        """The segment on the customer's side that an address is on; the first one if it is on none."""
        if len(self.insides) == 1:
            return self.insides[0]
        # Not at the top: in the guest only a firewall with several networks behind it needs it.
        from ipaddress import ip_address, ip_network

        one = ip_address(address)
        for name in self.insides:
            wire = self.segment(name)
            if any(one in ip_network(net) for net in (wire.subnet, wire.subnet6) if net):
                return name
        return self.insides[0]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every listed server address that some way leads to, those of errands last."""
        own = [e for way in self.ways for e in way.endpoints]
        places = {(e.name, e.address, e.port) for e in own}
        errands = [e for errand in self.errands for e in errand.endpoints]
        beside = [e for e in errands if (e.name, e.address, e.port) not in places]
        return tuple(dict.fromkeys([*own, *beside]))

    def errands_of(self, way: str) -> tuple[Errand, ...]:
        """What agents do by a way."""
        return tuple(errand for errand in self.errands if errand.way == way)

    @property
    def probe(self) -> str:
        """``LAB_PROBE`` of the first way of the first agent."""
        return self.ways_of(self.agents[0])[0].probe

    def node(self, name: str) -> NodePlan:
        return next(n for n in self.nodes if n.name == name)

    def with_role(self, role: Role) -> tuple[NodePlan, ...]:
        return tuple(n for n in self.nodes if n.role is role)

    def segment(self, name: str) -> Segment:
        return next(s for s in self.segments if s.name == name)

    def ppp_account(self, agent: str) -> PppAccount | None:
        """With what an agent's host authenticates itself to AT&T's gateway, if there is one (P-11)."""
        return self.lig.ppp.accounts[self.agents.index(agent)] if self.lig is not None else None

    def lines_of(self, node: str) -> tuple[ModemLine, ...]:
        lines = self.telephone.lines if self.telephone is not None else ()
        return tuple(line for line in lines if line.node == node)

    def members(self, segment: str) -> tuple[NodePlan, ...]:
        """The nodes that are plugged into a segment."""
        return tuple(n for n in self.nodes if any(i.segment == segment for i in n.interfaces))
