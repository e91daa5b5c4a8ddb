"""The way of a packet over the wires: where it was seen last, and so which node lost it.

Works from the captures alone. NAT changes IPv4 addresses and ports; what follows the transport header,
and the IP identification, stay as they are, and tell a packet from all others.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from lab.topology.model import Topology
from lab.topology.route_map import network_of
from lab.verify.case import Case
from lab.wire.decode import Packet


@dataclass(frozen=True, slots=True)
class Course:
    """The wires from one node to another, and the nodes between two wires."""

    start: str
    end: str
    segments: tuple[str, ...]
    between: tuple[str, ...]
    """``between[n]`` passes on from ``segments[n]`` to ``segments[n + 1]``."""


@dataclass(frozen=True, slots=True)
class Journey:
    """A packet, from the first wire of its way to the last where it was seen."""

    packet: Packet
    last_segment: str
    lost_at: str
    """The node that did not pass it on; empty if it came to the last wire."""


def find_course(topology: Topology, start: str, end: str) -> Course | None:
    """The shortest way over forwarding nodes; None if there is none."""
    hops = network_of(topology).ways(start).get(end)
    if hops is None:
        return None
    segments = tuple(hop.link for hop in hops)
    return Course(start, end, segments, tuple(hop.neighbour for hop in hops[:-1]))


def journeys(case: Case, way: Course, source: str, destination: str) -> list[Journey]:
    """Every packet with these addresses on the first wire, and how far it came; none that tries the fence.

    Found out once: many agents have one way in common, as by a proxy. Nobody changes the list.
    """
    key = (journeys, way, source, destination)
    if key not in case.views:
        case.views[key] = _find_journeys(case, way, source, destination)
    found: list[Journey] = case.views[key]
    return found


def _find_journeys(case: Case, way: Course, source: str, destination: str) -> list[Journey]:
    own = [
        packet
        for _, packet in case.packets(way.segments[0])
        if packet.source == source
        and packet.destination == destination
        and not case.is_trial(packet)
    ]
    if not own:
        return []
    arrived = [Counter(_marks(case, segment)) for segment in way.segments[1:]]
    found = []
    for packet in own:
        mark, reached = _mark(packet), 0
        for wire in arrived:
            if wire[mark] == 0:
                break
            wire[mark] -= 1
            reached += 1
        lost_at = way.between[reached] if reached < len(way.between) else ""
        found.append(Journey(packet, way.segments[reached], lost_at))
    return found


def _marks(case: Case, segment: str) -> list[tuple[object, ...]]:
    """Of each packet on a wire; made once."""
    key = (_marks, segment)
    if key not in case.views:
        case.views[key] = [_mark(packet) for _, packet in case.packets(segment)]
    found: list[tuple[object, ...]] = case.views[key]
    return found


def _mark(packet: Packet) -> tuple[object, ...]:
    """The same for a packet on every wire, whatever NAT did to it.

    IPv6 has no identification outside of fragments; but no NAT of the lab's changes it.
    """
    digest = hashlib.blake2b(packet.payload, digest_size=8).digest()
    own = (packet.ends, packet.tcp_sequence, packet.tcp_flags) if packet.version == 6 else ()
    return packet.protocol, packet.identification, packet.fragment_offset, digest, *own
