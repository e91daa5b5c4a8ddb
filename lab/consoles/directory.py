"""Which other consoles a console knows (M-01, M-02, M-09): datagrams and time in, outputs out. No effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from lab.consoles.hello import EVERY_S, Hello, NoHelloError, decode, encode
from lab.consoles.outputs import Found, Lost, Output, Send
from lab.topology.consoles import Console

MOST_PEERS = 256
"""So that nobody who says many names fills the memory."""


@dataclass(slots=True)
class KnownConsole:
    """Another console."""

    name: str
    address: str
    addresses: frozenset[str]
    """From which it may speak."""
    via: str
    """As it was heard of first."""
    serves: bool
    """Whether it is a call-home server."""
    level: str
    heard: float
    """When somebody told of it last."""
    until: dict[str, float] = field(default_factory=dict)
    """How long what was told holds: by managed system, and by "" for what it says itself."""


class ConsoleDirectory:
    """One console's. Times are seconds of a clock that never goes back."""

    def __init__(self, console: Console) -> None:
        self._own = console
        self._addresses = console.addresses
        self._systems = {system.address: system for system in console.systems}
        self._peers: dict[str, KnownConsole] = {}
        self._next = 0.0
        self.ignored: Counter[str] = Counter()
        """Datagrams that changed nothing, by reason."""

    @property
    def peers(self) -> Mapping[str, KnownConsole]:
        return MappingProxyType(self._peers)

    def servers(self) -> list[KnownConsole]:
        """The call-home servers that are known, by name; any thread may ask."""
        return sorted((p for p in [*self._peers.values()] if p.serves), key=lambda p: p.name)

    def is_own(self, address: str) -> bool:
        """Whether it is an address of this console; any thread may ask."""
        return address in self._addresses or address.startswith("127.")

    def knows(self, address: str) -> bool:
        """Whether it is an address of a console that is known; any thread may ask."""
        return any(address in peer.addresses for peer in [*self._peers.values()])

    @property
    def next_due(self) -> float:
        """When ``tick`` has something to do."""
        ends = (max(peer.until.values()) for peer in self._peers.values())
        return min((self._next, *ends))

    def start(self, now: float) -> list[Output]:
        """Make the console known, and ask who else is there."""
        self._next = now + EVERY_S
        return [*self._everywhere(asks=True)]

    def tick(self, now: float) -> list[Output]:
        """What is due: broadcasts, and the end of consoles that are silent."""
        found: list[Output] = []
        for peer in list(self._peers.values()):
            for via in [via for via, until in peer.until.items() if until <= now]:
                del peer.until[via]
            if not peer.until:
                del self._peers[peer.name]
                found.append(Lost(name=peer.name, silent_s=now - peer.heard))
        if now >= self._next:
            self._next = now + EVERY_S
            found += self._everywhere()
        return found

    def receive(self, data: bytes, source: str, card: str, now: float) -> list[Output]:
        """Take a datagram that has come from an address by a card."""
        try:
            hello = decode(data)
        except NoHelloError as error:
            return self._ignore(str(error))
        if source in self._addresses:
            return []  # A broadcast comes back to who sends it.
        if hello.name == self._own.node:
            return self._ignore("somebody has the same name")
        if hello.box != self._own.box:
            return self._ignore("the console is in another box")
        if hello.via:
            if source not in self._systems or self._systems[source].name != hello.via:
                return self._ignore("nobody that is managed here tells of it")
            if not hello.addresses:
                return self._ignore("the managed system tells no address")
        return [*self._take(hello, source, card, now)]

    def _take(self, hello: Hello, source: str, card: str, now: float) -> Iterator[Output]:
        peer = self._peers.get(hello.name)
        if peer is not None and not hello.via and source not in peer.addresses:
            self._ignore("a console that is known has another address")
            return
        if hello.hold_s == 0:
            if peer is not None:
                peer.until.pop(hello.via, None)
            if peer is not None and not peer.until:
                del self._peers[peer.name]
                yield Lost(name=peer.name, silent_s=0.0)
            return
        if peer is None:
            if len(self._peers) >= MOST_PEERS:
                self._ignore(f"{MOST_PEERS} consoles are known")
                return
            address = hello.addresses[0] if hello.via else source
            own = frozenset({address, *hello.addresses})
            peer = KnownConsole(hello.name, address, own, hello.via, hello.serves, hello.level, now)
            self._peers[hello.name] = peer
            yield Found(name=peer.name, address=peer.address, via=peer.via)
        peer.heard, peer.serves, peer.level = now, hello.serves, hello.level
        peer.until[hello.via] = now + hello.hold_s
        if hello.asks and not hello.via:
            yield Send(data=self._hello(), address=source, card=card)

    def _ignore(self, reason: str) -> list[Output]:
        self.ignored[reason] += 1
        return []

    def _everywhere(self, *, asks: bool = False) -> Iterator[Send]:
        """To every card's subnet (M-01), and to every system that the console manages (M-02)."""
        data = self._hello(asks=asks)
        for card in self._own.cards:
            yield Send(data=data, address=card.broadcast, card=card.segment)
        for system in self._systems.values():
            yield Send(data=data, address=system.address, card=system.card)

    def _hello(self, *, asks: bool = False) -> bytes:
        hello = Hello(
            name=self._own.node,
            addresses=self._addresses,
            box=self._own.box,
            manages=tuple(system.name for system in self._own.systems),
            asks=asks,
            serves=self._own.serves,
            level=self._own.level,
        )
        return encode(hello)
