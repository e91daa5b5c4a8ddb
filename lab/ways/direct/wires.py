"""What a way home over the Internet puts on the wires."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Topology
from lab.topology.servers import Speaks
from lab.verify.case import Case
from lab.ways.direct.plan import DirectPlan
from lab.wire.decode import ICMP, ICMPV6, TCP, Frame, Packet

TITLE = "TCP 443 to listed servers"


def title(topology: Topology) -> str:
    """What leaves for the Internet, in words."""
    ports = dict.fromkeys(end.port for each in topology.errands for end in each.endpoints)
    if not ports:
        return TITLE
    return f"TCP {', '.join(map(str, sorted(ports, reverse=True)))} to listed servers"


def destinations(topology: Topology, way: DirectPlan) -> set[str]:
    """Addresses beside the listed servers to which packets may leave."""
    return {server.address for server in topology.servers if server.speaks is Speaks.ftps}


def callers(case: Case) -> set[str]:
    """The addresses that IBM's servers see."""
    return case.seen_addresses


def connections(case: Case, agent: str) -> list[Frame]:
    """The SYNs by which an agent opened connections to listed servers by this kind of way."""
    syns = [(f, p) for f, p in case.packets(*case.uplinks) if p.is_bare_syn]
    own = [(f, p) for f, p in syns if case.agent_addresses.get(p.source) == agent]
    return [f for f, p in own if (p.destination, p.destination_port) in case.listed]


def allows(case: Case, frame: Frame, packet: Packet) -> bool:
    """Whether a packet that leaves for the Internet is one of this way's."""
    ours = is_to_server(case, packet) or case.is_of_ftps(packet)
    ours = ours or case.is_server_test(
        frame, packet
    )  # By port 80, too, where that is listed (F-01).
    return frame.segment in case.exits and ours


def is_to_server(case: Case, packet: Packet) -> bool:
    """Whether it is TCP to a listed server, or a fragment of it that nobody can read; or ICMP."""
    if packet.protocol in (ICMP, ICMPV6):
        return True
    to = packet.destination, packet.destination_port
    unread = packet.lacks_ports and packet.destination in {address for address, _ in case.listed}
    return packet.protocol == TCP and (to in case.listed or unread)


def signs(case: Case) -> Iterator[tuple[str, list[Frame]]]:
    """What shows that this kind of way is in use: nothing that other ways do not show, too."""
    yield from ()


def uses(case: Case, agent: str) -> list[float]:
    """When an agent's host opened connections to listed servers on its uplink."""
    return [frame.time for frame in connections(case, agent)]
