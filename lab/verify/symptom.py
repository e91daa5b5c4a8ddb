"""What every symptom is read from: one client's way home, by wire or by telephone, and the logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, TypeVar

from lab.record.cause import CharonCause
from lab.topology.model import NodePlan
from lab.verify.case import Case
from lab.verify.journey import Course, Journey, find_course, journeys
from lab.verify.networks import is_in
from lab.verify.sightings import IkeSighting, Inside
from lab.verify.telephone_calls import TelephoneCall
from lab.ways.vpn.events import CharonComplained, PoolExhausted
from lab.ways.vpn.plan import IpsecConnection
from lab.wire.calls import Carried
from lab.wire.decode import Packet

if TYPE_CHECKING:
    from lab.wire.dns import Lookup


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What went wrong: ``cause`` is for programs, ``sentence`` and ``hint`` are for people."""

    cause: str
    sentence: str
    hint: str

    def __str__(self) -> str:
        return f"{self.sentence}; {self.hint}" if self.hint else self.sentence


@dataclass(frozen=True, slots=True)
class Loss:
    """Packets of one kind, none of which came to the end of its way."""

    sent: int
    lost_at: str
    """The node that the first lost one did not get past."""
    last_segment: str
    next_segment: str


def loss_of_all(found: list[Journey], way: Course) -> Loss | None:
    """Where packets were lost, if not one came to the end of its way."""
    if not found or not all(journey.lost_at for journey in found):
        return None
    first = found[0]
    after = way.segments[way.segments.index(first.last_segment) + 1]
    return Loss(len(found), first.lost_at, first.last_segment, after)


def _lookups(case: Case, node: NodePlan) -> list[Lookup]:
    """What a node asked of its name server; read once, as agents have a proxy in common."""
    key = _lookups, node.name
    if key not in case.views:
        from lab.wire import dns  # scapy's layers are dear, and few runs fail.

        own, asked = {*node.uplink.ips}, node.resolver
        packets = case.packets(node.uplink.segment)
        ends = ((entry, {entry[1].source, entry[1].destination}) for entry in packets)
        case.views[key] = list(dns.read(e for e, both in ends if asked in both and both & own))
    found: list[Lookup] = case.views[key]
    return found


def _sockets(case: Case, own: frozenset[str]) -> list[Packet]:
    """The packets of these addresses on the agents' wires; found once, as agents have a proxy in common."""
    key = (_sockets, own)
    if key not in case.views:
        ips = (frame.ip for frame in case.inside_frames)
        case.views[key] = [p for p in ips if p and own & {p.source, p.destination}]
    found: list[Packet] = case.views[key]
    return found


class Trail:
    """One client on a way over the wires, and one IPsec connection of the client's on a way by VPN."""

    def __init__(
        self, case: Case, client: str, connection: IpsecConnection | None, *, hidden: bool = False
    ) -> None:
        self.case = case
        self.client = client
        self.connection = connection
        self.hidden = hidden
        """Whether what the agent sends is inside a VPN."""

    @property
    def end(self) -> str:
        """The node where the IPsec connection begins."""
        return self.client

    @property
    def gateway(self) -> str:
        return self.connection.gateway if self.connection else ""

    @property
    def gateway_text(self) -> str:
        """``vpn1 (129.42.160.16)``."""
        return (
            f"{self.connection.gateway} ({self.connection.gateway_address})"
            if self.connection
            else ""
        )

    @cached_property
    def ike(self) -> list[IkeSighting]:
        """ISAKMP between the two, on the client's wire."""
        if self.connection is None:
            return []
        near, far = self.case.near_addresses(self.connection), self.connection.gateway_address
        found = ((s, {s.packet.source, s.packet.destination}) for s in self.case.ike_inside)
        return [s for s, ends in found if far in ends and ends & near]

    @cached_property
    def insides(self) -> list[Inside]:
        """What the ESP between the two carries."""
        return [
            item
            for item in self.case.insides
            if item.client in (self.client, self.end) and item.gateway == self.gateway
        ]

    @cached_property
    def courses(self) -> dict[bool, Course]:
        """The wires out (True) and back, as far as they lead there."""
        near, far = self._near_node, self.gateway or self._far_node
        both = ((True, near, far), (False, far, near))
        found = ((out, find_course(self.case.topology, *ends)) for out, *ends in both)
        return {out: course for out, course in found if course}

    @cached_property
    def directions(self) -> list[tuple[bool, list[Journey], Course]]:
        """Of each course: the client's packets to the gateway or every listed server, or the answers."""
        return [
            (out, [j for pair in pairs for j in journeys(self.case, course, *pair)], course)
            for out, course, pairs in self.flows
        ]

    @cached_property
    def flows(self) -> tuple[tuple[bool, Course, tuple[tuple[str, str], ...]], ...]:
        """What ``directions`` is made of: source and destination; alike for all who have one proxy."""
        ends = {
            True: tuple(product(self._sources, self._far_ends)),
            False: tuple((far, near) for near, far in product(self._targets, self._far_ends)),
        }
        return tuple((out, course, ends[out]) for out, course in self.courses.items())

    @property
    def caller(self) -> str:
        """Who opens connections to servers: the client, or its proxy."""
        return self._near_node

    @property
    def _near_node(self) -> str:
        """Where the client's packets come to the wires."""
        return self.case.near_node(self.connection) if self.connection else self.client

    @property
    def _far_node(self) -> str:
        """Who has the listed servers' addresses."""
        nodes = self.case.topology.nodes
        addresses = {endpoint.address for endpoint in self.case.topology.endpoints}
        return next((n.name for n in nodes if addresses & set(n.service_addresses)), nodes[-1].name)

    @property
    def _sources(self) -> list[str]:
        """The addresses from which the client sends."""
        return self._lent or self._own_addresses

    @property
    def _lent(self) -> list[str]:
        """Of a VPN by telephone, those that its calls were given."""
        if self.connection is None or self.connection.client_address:
            return []
        return sorted(self.case.near_addresses(self.connection))

    @property
    def _targets(self) -> list[str]:
        """The addresses to which its packets are answered: of IPv4 behind NAT, that of the last NAT."""
        if self._lent:
            return self._lent
        hidden = [*filter(None, (self.case.topology.seen_address,))]
        return [*hidden, *(ip for ip in self._sources if not hidden or ":" in ip)]

    @property
    def _own_addresses(self) -> list[str]:
        """The client's on its uplink; none if it has none."""
        return [ip for ip, name in self.case.agent_addresses.items() if name == self.client]

    @property
    def _far_ends(self) -> list[str]:
        if self.connection:
            return [self.connection.gateway_address]
        return sorted({endpoint.address for endpoint in self.case.topology.endpoints})

    def is_near(self, address: str) -> bool:
        """Whether an address is on the link of whoever connects to servers, as a proxy's may be."""
        segment = self.case.topology.segment(
            self.case.topology.node(self.lookup_node).uplink.segment
        )
        return any(is_in(address, net) for net in (segment.subnet, segment.subnet6) if net)

    @property
    def refused_names(self) -> dict[str, str]:
        """Of names that somebody on the way refuses to connect to: who it is."""
        return {}

    @property
    def lookup_node(self) -> str:
        """The node that looks up the servers' names."""
        return self._near_node

    @cached_property
    def lookups(self) -> list[Lookup]:
        """What whoever connects to the servers asked of a name server, in order; not by telephone."""
        node = self.case.topology.node(self.lookup_node)
        if not node.resolver or not node.interfaces:
            return []
        left_out = self.names_of_trials
        return [each for each in _lookups(self.case, node) if each.name not in left_out]

    @property
    def names_of_trials(self) -> set[str]:
        """Names that are looked up for the lab's own trials, and say nothing of a failure."""
        return set()

    @cached_property
    def sockets(self) -> list[Packet]:
        """The agent's packets and the answers: inside the VPN, or on the customer's wire."""
        case = self.case
        if self.hidden:
            return [packet for _, packet in case.data(self.client)]
        return _sockets(case, frozenset(self._own_addresses))

    def complaints(self, *nodes: str) -> set[CharonCause]:
        """What the logs of these nodes' charons complain of."""
        found = self.case.told(CharonComplained)
        return {event.cause for event in found if event.source in nodes}

    @cached_property
    def exhausted(self) -> set[str]:
        """The gateways that had no address left."""
        return {event.source for event in self.case.told(PoolExhausted)}

    def is_customers(self, node: str) -> bool:
        """Whether a node is the customer's firewall."""
        firewall = self.case.topology.firewall
        return firewall is not None and firewall.node == node


class LentTrail(Trail):
    """One client on a way by the VPN that a partition of i5/OS lends, and a connection of the partition's."""

    @property
    def end(self) -> str:
        return self.case.lender(self.client)

    @property
    def caller(self) -> str:
        return self.client

    @property
    def lookup_node(self) -> str:
        return self.client

    @property
    def _near_node(self) -> str:
        return self.end

    @property
    def _own_addresses(self) -> list[str]:
        return [ip for ip, name in self.case.partitions.items() if name == self.end]


class DialTrail(Trail):
    """One client's way by telephone, then from AT&T's gateway over the wires."""

    def __init__(self, case: Case, client: str) -> None:
        super().__init__(case, client, None)

    @property
    def lig(self) -> str:
        return self.case.lig.node

    @cached_property
    def calls(self) -> list[TelephoneCall]:
        """Every call that the client's dialler tried, in order."""
        return [
            c for c in self.case.telephone_calls if c.attempt and c.attempt.source == self.client
        ]

    @cached_property
    def last_tries(self) -> list[TelephoneCall]:
        """The calls since PPP last was up, or since it all began."""
        up = [place for place, call in enumerate(self.calls) if call.came_up]
        return self.calls[up[-1] + 1 :] if up else self.calls

    @cached_property
    def carried(self) -> list[Carried]:
        """Everything that went over the client's calls."""
        return [item for call in self.calls for item in call.frames]

    @cached_property
    def sockets(self) -> list[Packet]:
        packets = (item.data for item in self.carried if item.data)
        return [packet for packet in packets if not self.case.is_trial(packet)]

    @cached_property
    def addresses(self) -> list[str]:
        """What the gateway gave to the client, call by call."""
        own = (s for s in self.case.record.ppp if (s.client, s.gateway) == (self.client, self.lig))
        mine = (s.local_ip for s in own if s.local_ip)
        return list(dict.fromkeys(mine))

    @property
    def _sources(self) -> list[str]:
        return self.addresses

    @property
    def _targets(self) -> list[str]:
        return self.addresses

    @property
    def _near_node(self) -> str:
        return self.lig


T = TypeVar("T")


def first_of(
    trails: Iterable[T], symptoms: Iterable[Callable[[T], Diagnosis | None]]
) -> Diagnosis | None:
    """The first symptom, in their order, of the first trail that has one."""
    symptoms = tuple(symptoms)
    return next((found for trail in trails for ask in symptoms if (found := ask(trail))), None)
