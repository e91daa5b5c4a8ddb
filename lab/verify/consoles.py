"""Findings on consoles that discover each other: M-01, M-02 and M-09."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations, islice, permutations

from lab.consoles.events import ConsoleDiscovered
from lab.consoles.hello import PORT, Hello, NoHelloError, decode
from lab.names import all_of, count
from lab.topology.consoles import Console
from lab.verify.beside import Beside
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.wire.decode import Frame, Packet

NONE = "no console looks for others"
EVERYBODY = "255.255.255.255"
"""The limited broadcast address (RFC 919 7), which no paper speaks of."""


def check_m_01(case: Case) -> Finding:
    """Discovery by a broadcast on the subnet of each network card."""
    check = Check(
        "M-01",
        f"each console broadcasts to UDP port {PORT} on each of its links, to the subnet's broadcast address "
        "and nowhere else; no link has a broadcast of another; the consoles of one link know each other",
    )
    consoles = case.topology.consoles
    if not consoles:
        return check.not_tested(NONE)
    sent = [_judge_broadcasts(case, check, console) for console in consoles]
    who = known(case)
    pairs = [(a, b) for a, b in permutations(consoles, 2) if a.box == b.box and shared(a, b)]
    for knower, other in pairs:
        if "" not in who.get((knower.node, other.node), ()):
            links = all_of(shared(knower, other))
            words = f"{knower.node} does not know {other.node}, which is on {links} like itself"
            spoken = _spoken(case, other, *shared(knower, other))
            check.lack_beside(Beside.heard, knower.node, words, spoken)
    return check.finding(
        f"{'; '.join(sent)}; {count(len(pairs) // 2, 'pair')} on one link, known to each other"
    )


def check_m_02(case: Case) -> Finding:
    """A console discovers those that manage its systems, too."""
    check = Check(
        "M-02",
        "two consoles that manage one system, and have no link in common, know each other by that system's "
        "word; no broadcast of the one is on a link of the other",
    )
    pairs = apart(case)
    if not pairs:
        return check.not_tested("no two consoles on different links manage the same system")
    who = known(case)
    told = []
    for knower, other, names in pairs:
        system = case.topology.node(names[0])
        relayed = [
            (frame, hello)
            for port in (s for s in knower.systems if s.name == system.name)
            for frame, packet, hello in hellos(case, port.card)
            if (packet.source, hello.via, hello.name) == (port.address, system.name, other.node)
        ]
        if not relayed:
            check.object(f"{system.name} did not tell {knower.node} of {other.node}")
        if system.name not in who.get((knower.node, other.node), ()):
            words = f"{knower.node} does not know {other.node}, which manages {system.name}, too"
            check.lack_beside(Beside.heard, knower.node, words, [f for f, _ in relayed[:1]])
        crossed = [
            frame
            for card in knower.cards
            for frame, packet in _broadcasts(case, card.segment)
            if packet.source in _addresses(other)
        ]
        check.forbid(crossed, f"of {other.node} on a link of {knower.node}", "broadcast")
        check.show([frame for frame, _ in relayed[:1]])
        told.append(f"{system.name} told {knower.node} of {other.node}")
    return check.finding(f"{'; '.join(told)}; no broadcast of the one came to the other")


def check_m_09(case: Case) -> Finding:
    """The HMCs of one DS8000 know each other, and those of another do not."""
    check = Check(
        "M-09",
        "the consoles of one DS8000 know each other; consoles of different ones on one link, which hear each "
        "other's broadcasts, do not, and send each other nothing",
    )
    boxed = [console for console in case.topology.consoles if console.box]
    mixed = [(a, b) for a, b in combinations(boxed, 2) if a.box != b.box and shared(a, b)]
    if not mixed:
        return check.not_tested("no link has consoles of two DS8000s")
    who = known(case)
    for one, other in (pair for both in mixed for pair in (both, both[::-1])):
        if (one.node, other.node) in who:
            check.object(f"{one.node} in {one.box} knows {other.node} in {other.box}")
        straight = [
            frame
            for card in one.cards
            for frame, packet in case.packets(card.segment)
            if packet.source == card.address and packet.destination in _addresses(other)
        ]
        check.forbid(straight, f"from {one.node} in {one.box} to {other.node} in {other.box}")
        heard = _spoken(case, other, *shared(one, other))
        if not heard:
            check.object(f"nothing of {other.node} came to {one.node}, which proves nothing")
        check.show(heard[:1])
    within = [(a, b) for a, b in permutations(boxed, 2) if a.box == b.box]
    for one, other in within:
        if (one.node, other.node) not in who:
            words = f"{one.node} does not know {other.node}, which is in {one.box}, too"
            check.lack_beside(Beside.heard, one.node, words)
    boxes = all_of(list(dict.fromkeys(console.box for console in boxed)))
    return check.finding(
        f"{boxes}: {count(len(within) // 2, 'pair')} within a box, known to each other; "
        f"{count(len(mixed), 'pair')} of different boxes on one link, unknown to each other"
    )


def _judge_broadcasts(case: Case, check: Check, console: Console) -> str:
    """What a console broadcasts, in words; object to a card that has none, and to other places."""
    told = []
    for card in console.cards:
        everybody = broadcast_on(case, card.segment)
        own = [
            (frame, packet)
            for frame, packet in _broadcasts(case, card.segment)
            if packet.source == card.address
        ]
        right = [frame for frame, packet in own if packet.destination == everybody]
        if not right:
            check.object(f"{console.node} does not broadcast on {card.segment}")
        wrong = [frame for frame, packet in own if packet.destination != everybody]
        check.forbid(wrong, f"of {console.node} on {card.segment} not to {everybody}", "broadcast")
        check.show(right[:1])
        told.append(f"{card.segment} {len(right)}")
    cards = {card.segment: card.address for card in console.cards}
    for segment in case.wire:
        astray = [
            frame
            for frame, packet in _broadcasts(case, segment)
            if packet.source in _addresses(console) and cards.get(segment) != packet.source
        ]
        check.forbid(
            astray, f"of {console.node} on {segment}, which is not its subnet", "broadcast"
        )
    return f"{console.node} broadcast on {', '.join(told)}"


def broadcast_on(case: Case, segment: str) -> str:
    """The broadcast address of a link's subnet, whatever a console takes it for."""
    return str(IPv4Network(case.topology.segment(segment).subnet).broadcast_address)


def _broadcasts(case: Case, segment: str) -> Iterator[tuple[Frame, Packet]]:
    """The datagrams to UDP port 9900 of everybody, of any subnet of the lab."""
    cards = [card for console in case.topology.consoles for card in console.cards]
    everybody = {EVERYBODY} | {card.broadcast for card in cards}
    everybody |= {broadcast_on(case, card.segment) for card in cards}
    for frame, packet in case.packets(segment):
        if packet.uses_udp(PORT) and packet.destination in everybody:
            yield frame, packet


def hellos(case: Case, segment: str) -> Iterator[tuple[Frame, Packet, Hello]]:
    """The datagrams to UDP port 9900 that make a console known."""
    for frame, packet in case.packets(segment):
        if packet.uses_udp(PORT) and packet.destination_port == PORT:
            try:
                yield frame, packet, decode(packet.payload)
            except NoHelloError:
                continue


def _spoken(case: Case, console: Console, *segments: str) -> list[Frame]:
    """What a console has broadcast on links, the first of each."""
    found = []
    for segment in segments:
        own = (f for f, p in _broadcasts(case, segment) if p.source in _addresses(console))
        found += list(islice(own, 1))
    return found


def apart(case: Case) -> list[tuple[Console, Console, list[str]]]:
    """Who is to know whom by a managed system alone, and by which systems: in both directions."""
    return [
        (a, b, names)
        for a, b in permutations(case.topology.consoles, 2)
        if a.box == b.box and not shared(a, b) and (names := _both_manage(a, b))
    ]


def known(case: Case) -> dict[tuple[str, str], set[str]]:
    """Who has discovered whom, and by whose word: by "" for the other's own."""
    known: dict[tuple[str, str], set[str]] = {}
    for event in case.told(ConsoleDiscovered):
        known.setdefault((event.source, event.console), set()).add(event.via)
    return known


def shared(one: Console, other: Console) -> list[str]:
    """The links that two consoles have in common."""
    theirs = {card.segment for card in other.cards}
    return [card.segment for card in one.cards if card.segment in theirs]


def _both_manage(one: Console, other: Console) -> list[str]:
    theirs = {system.name for system in other.systems}
    return [system.name for system in one.systems if system.name in theirs]


def _addresses(console: Console) -> set[str]:
    return {card.address for card in console.cards}
