"""What consoles said to each other at TCP port 9920, as the wires show it. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from lab.topology.consoles import INTER_CONSOLE_PORT as PORT
from lab.topology.consoles import Console
from lab.verify.case import Case
from lab.verify.consoles import hellos
from lab.verify.once import once
from lab.ways.consoles.events import ClearRequestTried, InterConsoleTried
from lab.wire import hello, tls
from lab.wire.decode import Frame
from lab.wire.hello import Choice
from lab.wire.tls import TcpConnection

SHOWN_FRAMES = 6
"""Of a connection: TCP's three, and the packets of the two hellos."""
Ends = tuple[str, int]
"""An address and a port of who opened a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterConsoleConnection:
    """One connection of one console to another, where the one that opened it is plugged in."""

    client: str
    server: str
    connection: TcpConnection
    choice: Choice

    @property
    def ends(self) -> Ends:
        return self.connection.client, self.connection.sent[0].source_port

    @property
    def began(self) -> float:
        return self.connection.frames[0].time

    @property
    def answered(self) -> bool:
        """Whether the other console has taken the TCP connection."""
        return any(packet.is_syn_ack for packet in self.connection.received)

    @property
    def frames(self) -> list[Frame]:
        return self.connection.frames[:SHOWN_FRAMES]

    @property
    def who(self) -> str:
        return f"{self.client} to {self.server}"


@once
def every(case: Case) -> list[InterConsoleConnection]:
    """All of them, in order, with the lab's own trials."""
    owners = case.console_addresses
    found = []
    for console in case.topology.consoles:
        for card in console.cards:
            for each in tls.connections(case.frames(card.segment)):
                server = owners.get(each.server)
                mine = each.client == card.address and each.opened and each.port == PORT
                if mine and server not in (None, console.node):
                    assert server is not None, "asked for"
                    choice = hello.read_choice(each.back)
                    found.append(
                        InterConsoleConnection(
                            client=console.node, server=server, connection=each, choice=choice
                        )
                    )
    return sorted(found, key=lambda each: each.began)


@once
def own(case: Case) -> list[InterConsoleConnection]:
    """Without the lab's own trials."""
    tried: set[Ends] = {(e.address, port) for e in case.told(InterConsoleTried) for port in e.ports}
    tried |= {(e.address, e.port) for e in case.told(ClearRequestTried)}
    return [each for each in every(case) if each.ends not in tried]


def find(case: Case, address: str, port: int, server: str) -> InterConsoleConnection | None:
    """The connection that a trial made; None if it is on no wire."""
    return next((c for c in every(case) if c.ends == (address, port) and c.server == server), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleTold:
    """A datagram by which a console hears of another one."""

    frame: Frame
    level: str
    serves: bool


@once
def told(case: Case) -> dict[tuple[str, str], list[ConsoleTold]]:
    """Who has heard of whom, as the wires show it: (who hears, of whom) to the datagrams, in order."""
    consoles = case.topology.consoles
    found: dict[tuple[str, str], list[ConsoleTold]] = {
        (a.node, b.node): [] for a, b in permutations(consoles, 2)
    }
    for hearer in consoles:
        for each in _heard(case, hearer):
            known = found.get((hearer.node, each[0]))
            if known is not None:
                known.append(each[1])
    for heard in found.values():
        heard.sort(key=lambda each: each.frame.time)
    return found


def _heard(case: Case, console: Console) -> list[tuple[str, ConsoleTold]]:
    """What comes to a console that tells of others, by their names."""
    found = []
    for card in console.cards:
        for frame, packet, said in hellos(case, card.segment):
            comes = packet.destination in (card.address, card.broadcast)
            if comes and packet.source != card.address and said.hold_s:
                heard = ConsoleTold(frame=frame, level=said.level, serves=said.serves)
                found.append((said.name, heard))
    return found
