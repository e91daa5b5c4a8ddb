"""What befell discovery, in words: which console does not know another, and why."""

from __future__ import annotations

from itertools import permutations

from lab.consoles.hello import PORT
from lab.names import all_of, count
from lab.topology.consoles import Console, ConsoleCard
from lab.verify.case import Case
from lab.verify.consoles import apart, broadcast_on, hellos, known, shared
from lab.verify.symptom import Diagnosis
from lab.wire.decode import Packet


def find(case: Case) -> Diagnosis | None:
    """The first console that lacks another; None if all know whom they are to know."""
    who = known(case)
    for knower, other in permutations(case.topology.consoles, 2):
        if knower.box == other.box and "" not in who.get((knower.node, other.node), ()):
            for segment in shared(knower, other):
                return _not_heard(case, knower, other, segment)
    for knower, other, systems in apart(case):
        if systems[0] not in who.get((knower.node, other.node), ()):
            return _not_told(case, knower, other, systems[0])
    return None


DEAF = "udp-9900-blocked"


def deaf(case: Case) -> list[str]:
    """The consoles that know nobody at all, though datagrams for them came by their links."""
    knowers = {knower for knower, _ in known(case)}
    return [
        each.node
        for each in case.topology.consoles
        if each.node not in knowers and _told(case, each)
    ]


def _told(case: Case, console: Console) -> bool:
    """Whether anything came that makes another console known: to the console, or to its whole link."""
    own = {card.address for card in console.cards}
    return any(
        packet.source not in own
        and packet.destination in (card.address, broadcast_on(case, card.segment))
        for card in console.cards
        for _, packet, _ in hellos(case, card.segment)
    )


def _not_heard(case: Case, knower: Console, other: Console, segment: str) -> Diagnosis:
    """Of two consoles on one link: whose broadcasts are there, and what became of them."""
    (own,) = (card for card in knower.cards if card.segment == segment)
    (theirs,) = (card for card in other.cards if card.segment == segment)
    packets = [packet for _, packet in case.packets(segment) if packet.uses_udp(PORT)]
    for console, card in ((knower, own), (other, theirs)):
        if wrong := _misdirected(case, console, card, packets):
            return wrong
    calls = [p for p in packets if (p.source, p.destination) == (theirs.address, theirs.broadcast)]
    answers = [p for p in packets if (p.source, p.destination) == (theirs.address, own.address)]
    if not calls and not answers:
        return Diagnosis(
            "console-silent",
            f"{other.node} is silent: no datagram to UDP {PORT} on {segment}, so {knower.node} does not know "
            f"{other.node}",
            f"see whether {other.node} runs, and let UDP {PORT} out of it (M-04)",
        )
    came = f"{count(len(calls), 'broadcast')} and {count(len(answers), 'answer')}"
    return Diagnosis(
        DEAF,
        f"{knower.node} does not know {other.node}, though {came} of it to UDP {PORT} came by {segment}",
        f"let UDP {PORT} in at the firewall of {knower.node} (M-04, F-17)",
    )


def _misdirected(
    case: Case, console: Console, card: ConsoleCard, packets: list[Packet]
) -> Diagnosis | None:
    """Of a console that broadcasts to another address than all others of its link."""
    everybody, hosts = broadcast_on(case, card.segment), {*case.console_addresses}
    sent = {p.destination for p in packets if p.source == card.address} - hosts
    if not sent or everybody in sent:
        return None
    subnet = case.topology.segment(card.segment).subnet
    return Diagnosis(
        "wrong-netmask",
        f"{console.node} broadcasts to {all_of(sorted(sent))} on {card.segment}, where the others broadcast "
        f"to {everybody}, so neither hears the other",
        f"give {console.node} the netmask of {subnet}",
    )


def _not_told(case: Case, knower: Console, other: Console, system: str) -> Diagnosis:
    """Of two consoles that manage one system: who told it, and whom it told."""
    port = next(port for port in knower.systems if port.name == system)
    packets = [p for _, p in case.packets(port.card) if p.uses_udp(PORT)]
    asked = sum(packet.destination == port.address for packet in packets)
    told = sum(packet.source == port.address for packet in packets)
    if asked and not told:
        return Diagnosis(
            "system-silent",
            f"{system} is silent: {count(asked, 'datagram')} of {knower.node} to UDP {PORT} on {port.card}, "
            f"none answered, so {knower.node} does not know {other.node}",
            f"see whether {system} runs, and whether {other.node} reaches it",
        )
    return Diagnosis(
        "system-not-told",
        f"{knower.node} does not know {other.node}: {knower.node} sent {count(asked, 'datagram')} to "
        f"{system} on {port.card}, and {system} sent {told}",
        f"let UDP {PORT} pass between {system} and both consoles (M-02)",
    )
