"""What a way home through proxies puts on the wires."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Topology
from lab.verify.case import Case
from lab.ways.direct.wires import is_to_server
from lab.ways.proxy.plan import ProxyPlan
from lab.wire.decode import TCP, Frame, Packet, reverse


def title(topology: Topology) -> str:
    """What leaves for the Internet, in words."""
    return "TCP 443 of proxies to listed servers"


def destinations(topology: Topology, way: ProxyPlan) -> set[str]:
    """Addresses beside the listed servers to which packets may leave."""
    return set()


def callers(case: Case) -> set[str]:
    """The addresses that IBM's servers see."""
    seen = case.topology.seen_address
    return {seen} if seen else {*case.proxies}


def connections(case: Case, agent: str) -> list[Frame]:
    """The SYNs by which an agent opened connections to proxies."""
    ports = {proxy.address: proxy.port for proxy in case.topology.proxies}
    return [
        frame
        for frame in case.inside_frames
        if frame.ip
        and frame.ip.is_bare_syn
        and case.agent_addresses.get(frame.ip.source) == agent
        and ports.get(frame.ip.destination) == frame.ip.destination_port
    ]


def allows(case: Case, frame: Frame, packet: Packet) -> bool:
    """Whether a packet that leaves for the Internet is one of a proxy's."""
    if frame.segment not in case.exits or not is_to_server(case, packet):
        return False
    return packet.protocol != TCP or bool({packet.ends, reverse(packet.ends)} & case.proxied)


def signs(case: Case) -> Iterator[tuple[str, list[Frame]]]:
    """What shows that this kind of way is in use: nothing that other ways do not show, too."""
    yield from ()


def uses(case: Case, agent: str) -> list[float]:
    """When an agent's host opened connections to proxies."""
    return [frame.time for frame in connections(case, agent)]
