"""What a user writes in a topology file, and nothing more.

The parts of the file; what a single value may be is in ``values``, whatever concerns two places of
a file at once is in ``check``, whatever is derived is in ``resolve``. Field descriptions are for
``lab schema``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union

from pydantic import Field, PrivateAttr, StrictInt

from lab import ways
from lab.topology import catalogue
from lab.topology.catalogue import Profile, Region
from lab.topology.console_spec import ConsoleSpec
from lab.topology.event_spec import EventsSpec
from lab.topology.fleet import Fleet
from lab.topology.modem_family import FamilyOfNode, ModemFamily
from lab.topology.node_spec import NodeSpec as NodeSpec
from lab.topology.own_program import OwnProgram
from lab.topology.own_rules import OwnRules
from lab.topology.part import Part, WaySpec
from lab.topology.roles import Role
from lab.topology.schedule import ScheduleSpec
from lab.topology.segment import Impairment
from lab.topology.servers import Stub
from lab.topology.service import Inbound
from lab.topology.telephone_spec import CallSpec as CallSpec
from lab.topology.telephone_spec import LineSpec as LineSpec
from lab.topology.user_target_spec import UserTargetSpec
from lab.topology.values import (
    Address,
    Address6,
    Delay,
    LinkName,
    NodeName,
    Percent,
    Rate,
    Subnet,
    Subnet6,
    WayName,
)

MAX_LINKS = 100
MAX_NODES = 2000
MAX_CALLS = 100


class LinkSpec(Part):
    """A wire: a switch that its nodes are plugged into, and that is captured."""

    subnet: Subnet = Field(description="IPv4 subnet, such as 192.168.10.0/24.")
    subnet6: Subnet6 | None = Field(
        default=None,
        description="The link's IPv6 subnet, a /64 such as 2001:db8:10::/64; none: no IPv6.",
    )
    rate: Rate = Field(description="What each plugged interface can send, such as 100Mbit.")
    rates: dict[NodeName, Rate] = Field(
        default_factory=dict,
        description="What nodes can send that have another rate, such as { firewall: 1Mbit }.",
    )
    delay: Delay = Field(default=0.0, description="One-way delay between two nodes, such as 20ms.")
    jitter: Delay = Field(
        default=0.0,
        description="How far the delay differs from packet to packet, up or down; they may overtake.",
    )
    loss: Percent = Field(default=0.0, description="How many packets are lost, such as 2%.")
    duplicate: Percent = Field(default=0.0, description="How many come twice.")
    corrupt: Percent = Field(default=0.0, description="How many come with one bit flipped.")
    reorder: Percent = Field(
        default=0.0, description="How many skip the delay, and so overtake the ones before."
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=1 << 32,
        strict=True,
        description="Another number has chance strike other packets of the link.",
    )
    vlan: int | None = Field(
        default=None,
        ge=1,
        le=4094,
        strict=True,
        description="The VLAN whose tag all frames of the link carry (IEEE 802.1Q); none: no tags.",
    )
    mtu: int = Field(default=1500, ge=576, le=9000, strict=True, description="Largest IP packet.")
    nodes: dict[NodeName, Address] = Field(
        description="The nodes on this link with their addresses; an empty one is allocated."
    )
    nodes6: dict[NodeName, Address6] = Field(
        default_factory=dict,
        description="IPv6 addresses of nodes that shall not have that of their IPv4 host number.",
    )

    @property
    def impairment(self) -> Impairment | None:
        """None where nothing is left to chance."""
        if not any((self.jitter, self.loss, self.duplicate, self.corrupt, self.reorder)):
            return None
        return Impairment(
            jitter_s=self.jitter,
            loss=self.loss,
            duplicate=self.duplicate,
            corrupt=self.corrupt,
            reorder=self.reorder,
            seed=self.seed,
        )


class ServiceSpec(Part):
    """Inbound remote service of an HMC: off, unless ``by`` says how a session is to be enabled."""

    dialer: NodeName | None = Field(
        default=None, description="IBM's server that dials the HMC's modem, if there is one."
    )
    server: NodeName | None = Field(
        default=None, description="IBM's Service Server, for sessions by VPN and by Internet."
    )
    relay: NodeName | None = Field(
        default=None, description="IBM's relay, for sessions by Internet."
    )
    relay_ports: tuple[StrictInt, ...] = Field(
        default=(),
        description="The relay's ports to which the firewall lets the HMC out: 8200, 443, 80; none: all.",
    )
    by: Literal[Inbound.modem, Inbound.terminal, Inbound.vpn, Inbound.internet] | None = Field(
        default=None,
        description="How IBM's people are let in, for one session: modem, terminal, vpn, internet.",
    )
    layout: Literal["tunnels", "sessions"] | None = Field(
        default=None,
        description="By vpn only: an L2TP tunnel for each partition, or sessions in one (X-08).",
    )
    trigger: Literal["panel", "call"] | None = Field(
        default=None,
        description="By vpn only: what has the HMC begin, the panel or a call to its modem (X-05).",
    )
    ppp_address: Address = Field(
        default=None, description="The panel's field: the HMC's own address in a session."
    )
    access: tuple[NodeName, ...] = Field(
        default=(), description="Whom a session may reach: the HMC itself, partitions."
    )
    returns: Literal["strict", "stateful"] = Field(
        default="strict",
        description="Whether what answers the HMC's own sockets is dropped (I-32): strict, stateful.",
    )


if TYPE_CHECKING:
    AnyWaySpec = WaySpec
else:
    AnyWaySpec = Annotated[
        Union[tuple(ways.stage(kind, "spec").Spec for kind in ways.kinds())],  # noqa: UP007
        Field(discriminator="kind"),
    ]

W = TypeVar("W", bound=WaySpec)


class TopologySpec(Part):
    """A topology file."""

    schema_: Literal[2] = Field(alias="schema", description="The version of this format: 2.")
    summary: str = Field(min_length=1, max_length=200, description="One line for `lab list`.")
    profile: str = Field(
        description="Whose address tables hold: a generation of IBM's papers, or a file of your own."
    )
    region: Region = Field(
        default=Region.americas, description="Where the customer is; some addresses depend on it."
    )
    nodes: dict[NodeName, NodeSpec] = Field(
        max_length=MAX_NODES, description="The machines, by name."
    )
    links: dict[LinkName, LinkSpec] = Field(max_length=MAX_LINKS, description="The wires, by name.")
    telephone: dict[NodeName, LineSpec] = Field(
        default_factory=dict, description="The telephone lines of the exchange, by node."
    )
    calls: tuple[CallSpec, ...] = Field(
        default=(), max_length=MAX_CALLS, description="What befalls telephone calls, in this order."
    )
    ways: dict[WayName, AnyWaySpec] = Field(description="The ways home, by name.")
    agents: dict[NodeName, tuple[str, ...]] = Field(
        description="The hosts that call home, each with its ways in the order in which they are tried."
    )
    service: dict[NodeName, ServiceSpec] = Field(
        default_factory=dict, description="The HMC whose inbound remote service is tried."
    )
    consoles: dict[NodeName, ConsoleSpec] = Field(
        default_factory=dict, description="The HMCs that look for other consoles, by node."
    )
    user_targets: dict[WayName, UserTargetSpec] = Field(
        default_factory=dict, description="Servers that users enter at agents, on no list, by name."
    )
    events: EventsSpec | None = Field(
        default=None, description="The Events Manager, and whose events wait for approval."
    )
    schedule: ScheduleSpec | None = Field(
        default=None,
        description="When the agents call home; none: one after the other, as soon as the ways are up.",
    )
    names: Literal["dns", "hosts"] = Field(
        default="dns", description="Who tells IBM's names: name servers, or hosts tables."
    )
    expect: tuple[str, ...] = Field(
        default=(), description="IDs of the requirements that a run is judged by."
    )

    _name: str = PrivateAttr(default="unnamed")
    _source: str = PrivateAttr(default="")
    _own_profile: Profile | None = PrivateAttr(default=None)
    _fleets: tuple[Fleet, ...] = PrivateAttr(default=())
    _stubs: tuple[Stub, ...] = PrivateAttr(default=())
    _own_rules: tuple[OwnRules, ...] = PrivateAttr(default=())
    _own_programs: tuple[OwnProgram, ...] = PrivateAttr(default=())
    _modem_families: tuple[FamilyOfNode, ...] = PrivateAttr(default=())

    def model_post_init(self, context: Any) -> None:
        """Take name and source from the loader, and what its profile's file says if it has one."""
        if context:
            self._name, self._source = context["name"], context["source"]
            self._own_profile = context["own_profile"]

    @property
    def known_profile(self) -> Profile | None:
        """The papers' own or the user's; None if there is no such."""
        known = self.profile in catalogue.names()
        return catalogue.profile(self.profile) if known else self._own_profile

    @property
    def name(self) -> str:
        return self._name

    @property
    def source(self) -> str:
        return self._source

    @property
    def fleets(self) -> tuple[Fleet, ...]:
        """Which of the nodes the file names once, with a count."""
        return self._fleets

    def keep_fleets(self, fleets: Iterable[Fleet]) -> None:
        """Remember what ``expand`` has taken apart."""
        self._fleets = tuple(fleets)

    @property
    def stubs(self) -> tuple[Stub, ...]:
        """What the file of stubs says, once ``read_stubs`` has been given it."""
        return self._stubs

    def read_stubs(self, read: Callable[[str], tuple[Stub, ...]]) -> None:
        """Take the stubs that the file named by ``sdc`` holds, if it names one."""
        named = self.nodes[sdc].stubs if (sdc := self._first(Role.sdc)) else None
        if named is not None:
            self._stubs = read(named)

    @property
    def own_rules(self) -> tuple[OwnRules, ...]:
        """What the files of rules say, once ``read_rules`` has been given them."""
        return self._own_rules

    def read_rules(self, read: Callable[[str, str], OwnRules]) -> None:
        """Take the rules of the nodes that name a file: ``read`` gets the file's name and the node's."""
        named = ((node.rules, name) for name, node in self.nodes.items())
        self._own_rules = tuple(read(file, name) for file, name in named if file is not None)

    @property
    def own_programs(self) -> tuple[OwnProgram, ...]:
        """What nodes run in the place of the lab's daemons, once ``find_programs`` has been told how."""
        return self._own_programs

    def find_programs(self, find: Callable[[tuple[str, ...], str], OwnProgram]) -> None:
        """Take the programs of the nodes that name one: ``find`` gets the words and the node's name."""
        named = ((node.run, name) for name, node in self.nodes.items() if node.run)
        self._own_programs = tuple(find(words, name) for words, name in named)

    @property
    def modem_families(self) -> tuple[FamilyOfNode, ...]:
        """The families that lines name, once ``read_modem_families`` has been given them."""
        return self._modem_families

    def read_modem_families(self, read: Callable[[str], ModemFamily]) -> None:
        """Take the families that lines name: ``read`` gets the name, which may be that of a file."""
        named = {node: line.modem for node, line in self.telephone.items() if line.modem}
        known = {name: read(name) for name in dict.fromkeys(named.values())}
        self._modem_families = tuple(
            FamilyOfNode(node=node, family=known[name]) for node, name in named.items()
        )

    @property
    def literal_tls(self) -> bool:
        return any(node.literal_tls for node in self.nodes.values())

    @property
    def moves_to(self) -> str:
        """The profile whose addresses the servers get while the lab stands; empty: they stay."""
        return next((node.moves_to for node in self.nodes.values() if node.moves_to), "")

    @property
    def firewall(self) -> str | None:
        return self._first(Role.firewall)

    @property
    def exchange(self) -> str | None:
        return self._first(Role.exchange)

    @property
    def lig(self) -> str | None:
        return self._first(Role.lig)

    def _first(self, role: Role) -> str | None:
        return next((n for n, node in self.nodes.items() if node.role is role), None)

    @property
    def snat(self) -> bool:
        return bool(self.firewall and self.nodes[self.firewall].snat)

    @property
    def behind_nat(self) -> bool:
        """Whether the customer's addresses of IPv4 change on the way to the Internet."""
        return any(node.snat for node in self.nodes.values())

    def agents_of(self, way: str) -> tuple[str, ...]:
        """The agents that come home by a way, or by one that runs over it."""
        own = {way, *self.ways_over(way)}
        return tuple(agent for agent, names in self.agents.items() if own & {*names})

    def ways_over(self, way: str) -> tuple[str, ...]:
        """The ways that run over another, and those that run over these."""
        found: list[str] = []
        for below in (way, *self.ways):
            if below == way or below in found:
                found += [
                    n for n, its in self.ways.items() if its.runs_over == below and n not in found
                ]
        return tuple(found)

    def way_below(self, way: WaySpec) -> WaySpec | None:
        """The way that another one runs over; None if it runs over none, or over one that is not there."""
        return self.ways.get(way.runs_over)

    def looks_up(self, way: WaySpec) -> bool:
        """Whether agents look up IBM's names on their own side; by telephone AT&T's name server does it."""
        below = self.way_below(way) or way
        return way.looks_up_servers and below.looks_up_servers

    def ways_of_kind(self, kind: type[W]) -> dict[str, W]:
        """The ways whose specs are of a class, by name."""
        return {name: way for name, way in self.ways.items() if isinstance(way, kind)}

    def links_of(self, node: str) -> tuple[str, ...]:
        return tuple(name for name, link in self.links.items() if node in link.nodes)
