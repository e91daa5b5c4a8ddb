"""What a way home by VPN puts on the wires."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from lab.topology.model import Topology
from lab.verify.case import Case
from lab.verify.outbound import vpn_protocol
from lab.ways.vpn.plan import VpnPlan
from lab.wire.decode import ESP, ICMP, ICMPV6, UDP, Frame, Packet
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT


def title(topology: Topology) -> str:
    """What leaves for the Internet, in words."""
    behind_nat = topology.firewall is not None and topology.firewall.snat
    return "UDP 500 and UDP 4500" if behind_nat else "UDP 500 and ESP"


def destinations(topology: Topology, way: VpnPlan) -> set[str]:
    """Addresses beside the listed servers to which packets may leave."""
    return {connection.gateway_address for connection in way.connections}


def callers(case: Case) -> set[str]:
    """The addresses that IBM's servers see: those that IPCP gave, as the NAT ends at the gateway."""
    return case.assigned()


def allows(case: Case, frame: Frame, packet: Packet) -> bool:
    """Whether a packet that leaves for the Internet is one of this way's."""
    if frame.segment not in case.exits:
        return False
    if packet.fragment_offset > 0 or packet.protocol in (ICMP, ICMPV6):
        return True
    if packet.protocol == UDP:
        ports = (IKE_PORT, NAT_T_PORT) if case.snat else (IKE_PORT,)
        return packet.destination_port in ports
    return packet.protocol == ESP and not case.snat


def signs(case: Case) -> Iterator[tuple[str, list[Frame]]]:
    """What shows that this kind of way is in use."""
    for frame in case.inside_frames:
        if frame.ip and (name := vpn_protocol(frame.ip)):
            yield f"{name} on {case.inside}", [frame]


def began(case: Case) -> float:
    """When the first packet of this kind of way was on the agents' wires; infinite if there was none."""
    return min((frame.time for _, frames in signs(case) for frame in frames), default=inf)
