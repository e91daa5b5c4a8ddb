"""Which packets are of a connection to a target that a user has entered (OUT-44): those, and no others.

A connection counts if an agent's own host began it to the target's address and port. NAT leaves a SYN its
number, which tells this host's connection from a neighbour's. A capture from outside may begin later: there
addresses and ports alone say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.topology.user_targets import UserTarget
from lab.verify.once import once
from lab.wire.decode import ICMP, ICMP_ERRORS, TCP, Ends, Frame, Packet, parse_quoted, reverse

if TYPE_CHECKING:
    from lab.verify.case import Case

Entries = list[tuple[Frame, Packet]]


@once
def begun(case: Case) -> dict[Ends, UserTarget]:
    """The connections as they are on the agents' own wires: the ends of what the agent's host sends."""
    found = {}
    for _, packet in case.packets(*case.uplinks):
        target = _target(case, packet, packet.source) if _begins(case, packet) else None
        if target is not None:
            found[packet.ends] = target
    return found


@once
def left(case: Case) -> dict[Ends, UserTarget]:
    """The same connections as they leave for the Internet, with the source that NAT gives them."""
    if not case.topology.user_targets:
        return {}
    own = {
        (target.address, target.port, packet.tcp_sequence): target
        for _, packet in (case.packets(*case.uplinks) if case.has_record else ())
        if _begins(case, packet) and (target := _target(case, packet, packet.source))
    }
    found = {}
    for _, packet in case.packets(*case.exits):
        if not _begins(case, packet):
            continue
        place = packet.destination, packet.destination_port
        target = (
            own.get((*place, packet.tcp_sequence)) if case.has_record else _any_target(case, packet)
        )
        if target is not None and packet.source == _outer_source(case, target):
            found[packet.ends] = target
    return found


def leaves(case: Case, packet: Packet) -> bool:
    """Whether it is of such a connection on the way out; or an ICMP error about one on the way back.

    NAT may give a neighbour's connection the same ends once this one is over: that one's SYN tells.
    """
    if packet.ends in left(case):
        return not (packet.is_bare_syn and case.has_record) or _number(packet) in _numbers(case)
    about = _quoted(packet)
    return about is not None and reverse(about.ends) in left(case)


def passes(case: Case, packet: Packet) -> bool:
    """Whether it is of such a connection between firewall and Internet, in either direction."""
    return not {packet.ends, reverse(packet.ends)}.isdisjoint(left(case))


def returns(case: Case, packet: Packet) -> bool:
    """Whether it is of such a connection on the way back to the agent's host; who opens one is no answer."""
    return not packet.is_bare_syn and reverse(packet.ends) in begun(case)


def beside_those_out(case: Case, sent: Entries) -> Entries:
    """What leaves, but for these connections."""
    if not case.topology.user_targets:
        return sent
    return [(frame, packet) for frame, packet in sent if not leaves(case, packet)]


def beside_those_back(case: Case, sent: Entries) -> Entries:
    """What the firewall lets in, but for these connections."""
    if not case.topology.user_targets:
        return sent
    return [(frame, packet) for frame, packet in sent if not returns(case, packet)]


@once
def _numbers(case: Case) -> set[tuple[str, int, int]]:
    """Where the SYNs of such connections go, and their numbers, on the agents' own wires."""
    packets = (packet for _, packet in case.packets(*case.uplinks))
    return {_number(p) for p in packets if p.is_bare_syn and p.ends in begun(case)}


def _number(syn: Packet) -> tuple[str, int, int]:
    return syn.destination, syn.destination_port, syn.tcp_sequence


def _begins(case: Case, packet: Packet) -> bool:
    """Whether it opens a connection; in a capture from outside every packet may be the first."""
    return packet.protocol == TCP and (packet.is_bare_syn or not case.has_record)


def _target(case: Case, packet: Packet, source: str) -> UserTarget | None:
    wanted = source, packet.destination, packet.destination_port
    targets = case.topology.user_targets
    return next((t for t in targets if (t.source, t.address, t.port) == wanted), None)


def _any_target(case: Case, packet: Packet) -> UserTarget | None:
    """Whoever's it is: another one of two at the same place may have the same source behind NAT."""
    place = packet.destination, packet.destination_port
    targets = (t for t in case.topology.user_targets if (t.address, t.port) == place)
    return next((t for t in targets if packet.source == _outer_source(case, t)), None)


def _outer_source(case: Case, target: UserTarget) -> str:
    """What the Internet sees of an agent: SNAT hides the agent's own address."""
    return case.public_address if case.snat else target.source


def _quoted(packet: Packet) -> Packet | None:
    """The packet that an ICMP error is about."""
    is_error = packet.protocol == ICMP and packet.payload[:1] and packet.payload[0] in ICMP_ERRORS
    return parse_quoted(packet.payload[8:]) if is_error else None
