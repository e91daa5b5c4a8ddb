"""What a user's own command did on the wires: the flows that its node opened while it ran, and their ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lab.record.command_event import CommandRun, NodeAltered
from lab.record.record import Transaction
from lab.topology.model import NodePlan, Role
from lab.verify.case import Case
from lab.verify.journey import find_course, journeys
from lab.verify.networks import is_in
from lab.verify.premises import mac
from lab.verify.symptom import Loss
from lab.wire import arp, icmp, tls
from lab.wire.decode import ICMP, ICMPV6, TCP, UDP, Ends, Frame, Packet, reverse
from lab.wire.icmp import IcmpError
from lab.wire.tls import TcpConnection

if TYPE_CHECKING:
    from lab.wire.dns import Lookup

DNS_PORT = 53
AFTER_S = 1.0
"""What a command caused may be on a wire, or in the ledger, for so long after its end."""
PROTOCOLS = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP", ICMPV6: "ICMPv6"}


@dataclass(slots=True)
class Flow:
    """What the node sent from one port to another, and how it was answered."""

    ends: Ends
    started: float
    sent: list[Packet] = field(default_factory=list)
    answers: list[Packet] = field(default_factory=list)
    errors: list[IcmpError] = field(default_factory=list)
    connection: TcpConnection | None = None

    @property
    def destination(self) -> str:
        return self.ends[1]

    @property
    def protocol(self) -> int:
        return self.ends[2]

    @property
    def port(self) -> int:
        return self.ends[4]

    @property
    def service(self) -> str:
        """``TCP 443``, ``ICMP``."""
        name = PROTOCOLS[self.protocol]
        return f"{name} {self.port}" if self.protocol in (TCP, UDP) else name

    @property
    def is_refused(self) -> bool:
        """Whether a reset answered the SYN, or somebody said that nobody listens there."""
        if any(error.reason is icmp.Reason.port_closed for error in self.errors):
            return True
        return not self.is_taken and any(packet.is_reset for packet in self.answers)

    @property
    def is_taken(self) -> bool:
        """Whether a TCP connection came about."""
        return any(packet.is_syn_ack for packet in self.answers)

    @property
    def is_unheard(self) -> bool:
        """Whether the connection was taken, and its SYN is all that the node ever sends, again and again."""
        taken = sum(packet.is_syn_ack for packet in self.answers)
        return taken > 1 and len(self.sent) > 1 and all(p.is_bare_syn for p in self.sent)

    @property
    def worked(self) -> bool:
        """Whether both sides said something, and none broke off: as far as the wire shows it in clear."""
        if self.protocol != TCP:
            return any(icmp.read_error(packet) is None for packet in self.answers)
        one = self.connection
        return bool(one and one.out and one.back and self.is_taken and _went_on(one))


def _went_on(connection: TcpConnection) -> bool:
    """Whether what was opened as TLS came to application data on both sides (RFC 8446 5.1).

    A proxy that refuses CONNECT answers, and that is no success (RFC 9110 9.3.6).
    """
    if connection.out.startswith(b"CONNECT "):
        return connection.back.partition(b" ")[2].startswith(b"2")
    if not connection.out.startswith(bytes([tls.HANDSHAKE])):
        return not connection.back.startswith(bytes([tls.ALERT]))
    try:
        both = [tls.records(stream) for stream in (connection.out, connection.back)]
    except tls.NoTls:
        return False
    return all(any(r.kind == tls.APPLICATION_DATA for r in records) for records in both)


def is_own_way_up(case: Case) -> bool:
    """Whether a VPN client or a dialler of the user's own came up, where the lab left the way home down."""
    agents = case.topology.agents
    return case.left_down and (
        any(case.first_opened(agent) for agent in agents)
        or any(call.came_up and call.client in agents for call in case.telephone_calls)
    )


class CommandTrail:
    """One command of a user's, on one node, in a lab whose path is up."""

    def __init__(self, case: Case, command: CommandRun) -> None:
        self.case = case
        self.command = command
        self.node: NodePlan = case.topology.node(command.source)

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def is_agent(self) -> bool:
        return self.name in self.case.topology.agents

    @property
    def profile(self) -> str:
        return self.case.topology.profile

    def _is_while(self, time: float) -> bool:
        return self.command.started <= time <= self.command.time + AFTER_S

    @cached_property
    def wire_frames(self) -> list[Frame]:
        """What the node sent and was sent on its wires, with and without IP."""
        own = {mac(interface) for interface in self.node.interfaces}
        segments = [interface.segment for interface in self.node.interfaces]
        return [
            frame
            for frame in self.case.frames(*segments)
            if self._is_while(frame.time) and (own & {frame.source_mac, frame.destination_mac})
        ]

    @cached_property
    def frames(self) -> list[Frame]:
        """The node's IP packets: on its wires, in its VPN, and on its telephone; not what carries others."""
        case, own = self.case, {*self.node.service_addresses}
        own |= {ip for interface in self.node.interfaces for ip in interface.ips}
        found = [
            frame
            for frame in self.wire_frames
            if (packet := frame.ip)
            and not {packet.source, packet.destination} & {*case.gateways}
            and (not self.node.forwarding or own & {packet.source, packet.destination})
        ]
        found += [replace(i.frame, ip=packet) for i, packet in case.data(self.name)]
        if self.is_agent and case.topology.telephone is not None:
            calls = [call for call in case.telephone_calls if call.client == self.name]
            carried = [item for call in calls for item in call.frames]
            found += [
                replace(item.frame, ip=item.data)
                for item in carried
                if item.data and not case.is_trial(item.data)
            ]
        found = [frame for frame in found if self._is_while(frame.time)]
        return sorted(found, key=lambda frame: frame.time)

    @cached_property
    def addresses(self) -> set[str]:
        """From which the node sends."""
        own = {ip for interface in self.node.interfaces for ip in interface.ips}
        return own | self.case.assigned(self.name) | {*self._dialled_addresses}

    @property
    def _dialled_addresses(self) -> list[str]:
        noted = [s.local_ip for s in self.case.record.ppp if s.client == self.name and s.local_ip]
        calls = self.case.telephone_calls if self.case.topology.telephone else []
        return [*noted, *(c.address for c in calls if c.client == self.name and c.address)]

    @cached_property
    def flows(self) -> list[Flow]:
        """What the node opened, in order; without lookups of names, and what it answered."""
        found: dict[Ends, Flow] = {}
        for frame in self.frames:
            packet = frame.ip
            assert packet is not None, "frames with IP are asked for"
            if error := icmp.read_error(packet):
                if flow := found.get(error.about):
                    flow.errors.append(error)
            elif flow := found.get(reverse(packet.ends)):
                if packet.protocol not in (ICMP, ICMPV6) or icmp.is_echo_reply(packet):
                    flow.answers.append(packet)
                elif icmp.is_echo_request(packet):
                    flow.sent.append(packet)
            elif flow := found.get(packet.ends):
                flow.sent.append(packet)
            elif self._opens(packet):
                found[packet.ends] = Flow(packet.ends, frame.time, [packet])
        self._connect(found)
        return list(found.values())

    def _opens(self, packet: Packet) -> bool:
        if packet.source not in self.addresses or packet.destination in self.addresses:
            return False
        if packet.protocol == TCP:
            return packet.is_bare_syn and packet.destination_port != DNS_PORT
        if packet.protocol == UDP:
            return not packet.fragment_offset and packet.destination_port != DNS_PORT
        return icmp.is_echo_request(packet)

    def _connect(self, flows: dict[Ends, Flow]) -> None:
        for one in tls.connections(self.frames):
            if one.sent and (flow := flows.get(one.sent[0].ends)):
                flow.connection = one

    @cached_property
    def failed(self) -> list[Flow]:
        """The flows that did not work, and after which none of the same protocol did."""
        last = {flow.protocol: flow.started for flow in self.flows if flow.worked}
        return [
            f for f in self.flows if not f.worked and f.started >= last.get(f.protocol, f.started)
        ]

    @property
    def came_through(self) -> bool:
        """Whether the last thing that the command opened was taken and answered, as far as wires show it."""
        of_tcp = [flow for flow in self.flows if flow.protocol == TCP]
        return bool(of_tcp) and of_tcp[-1].worked

    @cached_property
    def lookups(self) -> list[Lookup]:
        """What the node asked of any name server."""
        from lab.wire import dns  # scapy's layers are dear, and few commands fail.

        return dns.read((f, f.ip) for f in self.frames if f.ip and f.ip.uses_udp(DNS_PORT))

    @property
    def name_servers(self) -> tuple[str, ...]:
        """Whom the node may ask: who stands in its resolv.conf, and whom PPP tells a caller of (L-03)."""
        lig = self.case.topology.lig if self.is_agent else None
        both = (self.node.resolver, lig.utility if lig else "")
        return tuple(address for address in both if address)

    @cached_property
    def ledger(self) -> list[Transaction]:
        """What the servers noted while the command ran."""
        return [entry for entry in self.case.ledger if self._is_while(entry.time)]

    @property
    def altered(self) -> list[NodeAltered]:
        """How nodes were no more what the lab had made, when the command had failed.

        Routes and name servers that a client of the user's own changed for a way home are as they have to be.
        """
        if is_own_way_up(self.case):
            return []
        return [found for found in self.case.record.altered if found.time >= self.command.time]

    @cached_property
    def unanswered_neighbours(self) -> dict[str, int]:
        """Addresses of the node's own links that it asked for by ARP, and how often, if nobody answered."""
        asked: dict[str, int] = {}
        own = {interface.ip for interface in self.node.interfaces}
        for said in arp.read(self.wire_frames):
            if said.is_answer:
                asked.pop(said.sender, None)
            elif said.sender in own and said.target not in own:
                asked[said.target] = asked.get(said.target, 0) + 1
        return asked

    def owner_of(self, address: str) -> NodePlan | None:
        """The node that has an address; None if nobody in the lab has."""
        for node in self.case.topology.nodes:
            ips = {ip for interface in node.interfaces for ip in interface.ips}
            if address in ips | {*node.service_addresses, *node.unlisted_addresses}:
                return node
        return None

    def is_customers(self, address: str) -> bool:
        """Whether an address is on a wire of the node's own, or on another one of the customer's."""
        topology = self.case.topology
        names = {*topology.insides, *(interface.segment for interface in self.node.interfaces)}
        nets = [
            n for name in names for s in [topology.segment(name)] for n in (s.subnet, s.subnet6)
        ]
        return any(is_in(address, net) for net in nets if net)

    def loss_of(self, flows: Iterable[Flow]) -> Loss | None:
        """Where the packets of flows were lost, if none came to the Internet, or to who has the address."""
        flows = list(flows)
        topology = self.case.topology
        internet = topology.with_role(Role.internet)
        owner = self.owner_of(flows[0].destination) or next(iter(internet), None)
        course = find_course(topology, self.name, owner.name) if owner else None
        if course is None:
            return None
        wanted = {flow.ends for flow in flows}
        pairs = {(ends[0], ends[1]) for ends in wanted}
        found = [
            each
            for source, destination in sorted(pairs)
            for each in journeys(self.case, course, source, destination)
            if each.packet.ends in wanted
        ]
        if not found or not all(each.lost_at for each in found):
            return None
        last = found[0].last_segment
        after = course.segments[course.segments.index(last) + 1]
        return Loss(len(found), found[0].lost_at, last, after)
