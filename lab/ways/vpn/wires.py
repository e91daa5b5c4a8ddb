"""What a way home by VPN puts on the wires."""

from __future__ import annotations

from collections.abc import Iterator

from lab.record.cause import IkeCause
from lab.topology.model import Topology
from lab.verify import lent_calls
from lab.verify.case import Case
from lab.verify.outbound import vpn_protocol
from lab.ways.vpn.plan import VpnPlan, in_udp, plans
from lab.wire.decode import ESP, ICMP, ICMPV6, UDP, Frame, Packet
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT


def title(topology: Topology) -> str:
    """What leaves for the Internet, in words."""
    found = {in_udp(topology, way) for way in plans(topology)}
    if len(found) > 1:
        return "UDP 500, UDP 4500 and ESP"
    return "UDP 500 and UDP 4500" if found == {True} else "UDP 500 and ESP"


def destinations(topology: Topology, way: VpnPlan) -> set[str]:
    """Addresses beside the listed servers to which packets may leave."""
    return {connection.gateway_address for connection in way.connections}


def callers(case: Case) -> set[str]:
    """The addresses that IBM's servers see: those that IPCP gave, as the NAT ends at the gateway."""
    return case.assigned()


def connections(case: Case, agent: str) -> list[Frame]:
    """The SYNs by which an agent opened connections by this kind of way."""
    return [item.frame for item, packet in case.data(agent) if item.outgoing and packet.is_bare_syn]


def allows(case: Case, frame: Frame, packet: Packet) -> bool:
    """Whether a packet between the customer and the Internet is one of this way's."""
    if frame.segment not in case.ipsec_wires:
        return False
    behind_nat = bool(case.topology.seen_address) and frame.segment in case.exits
    if frame.segment not in case.exits and not {packet.source, packet.destination} & {
        *case.gateways
    }:
        return False
    if packet.protocol in (ICMP, ICMPV6):
        return True
    if packet.protocol == UDP and packet.lacks_ports:
        return bool({packet.source, packet.destination} & {*case.gateways})
    if packet.protocol == UDP:
        ports = (IKE_PORT, NAT_T_PORT) if behind_nat else (IKE_PORT,)
        # A second client behind NAT has another port: then the answer's source is the gateway's.
        answers = packet.source in case.gateways and packet.source_port in ports
        return answers or packet.destination_port in ports
    return packet.protocol == ESP and not behind_nat


def signs(case: Case) -> Iterator[tuple[str, list[Frame]]]:
    """What shows that this kind of way is in use. Who scans the ports of a listed server uses no VPN."""
    servers = {address for address, _ in case.listed}
    for frame in case.inside_frames:
        lent = frame.ip is not None and case.is_pass_through(frame.ip)
        name = vpn_protocol(frame.ip) if frame.ip and not lent else ""
        if frame.ip and name and not {frame.ip.source, frame.ip.destination} & servers:
            yield f"{name} on {case.inside}", [frame]


def uses(case: Case, agent: str) -> list[float]:
    """When an agent's host sent IKE, ESP or L2TP on its uplink, or by a telephone call.

    A charon that knows no IKEv1 sends nothing, and only the record tells that the way was tried.
    """
    uplink = case.topology.node(agent).uplink
    own = case.sent_by(agent, uplink.segment)
    if any(way.dials and agent in way.agents for way in plans(case.topology)):
        calls = (call for call in case.telephone_calls if call.client == agent)
        own += [(i.frame, i.data) for call in calls for i in call.frames if i.outgoing and i.data]
    # L2TP in clear may ask a partition for its modem.
    of_vpn = {seen.frame.time for seen in lent_calls.without(case.clear)}
    sent = [
        frame.time
        for frame, packet in own
        if vpn_protocol(packet)
        and not case.is_trial(packet)
        and (not case.is_pass_through(packet) or frame.time in of_vpn)
    ]
    ends = case.ipsec_ends(agent)
    failed = (each for each in case.record.ike_failed if each.source in ends)
    return sent + [each.time for each in failed if each.cause is IkeCause.no_ikev1]
