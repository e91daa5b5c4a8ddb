"""What a managed system does for its consoles: it tells each of the others (M-02). No effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lab.consoles.hello import Hello, NoHelloError, decode, encode
from lab.consoles.outputs import Send

MOST_CONSOLES = 64


@dataclass(slots=True)
class _Manager:
    """A console that manages the system."""

    hello: Hello
    source: str
    card: str
    until: float


class ManagedSystem:
    """One system's. Times are seconds of a clock that never goes back."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._managers: dict[str, _Manager] = {}
        self.ignored: Counter[str] = Counter()
        """Datagrams that changed nothing, by reason."""

    def receive(self, data: bytes, source: str, card: str, now: float) -> list[Send]:
        """Take a datagram that has come from an address by a card; what is to be told to whom."""
        try:
            hello = decode(data)
        except NoHelloError as error:
            return self._ignore(str(error))
        if hello.via or self._name not in hello.manages:
            return self._ignore("the console does not manage this system")
        for name in [name for name, known in self._managers.items() if known.until <= now]:
            del self._managers[name]
        known = self._managers.get(hello.name)
        if known is None and (hello.hold_s == 0 or len(self._managers) >= MOST_CONSOLES):
            return self._ignore("it goes and was not here, or there is no room")
        return [*self._tell(_Manager(hello, source, card, now + hello.hold_s), now)]

    def _tell(self, manager: _Manager, now: float) -> Iterator[Send]:
        hello = manager.hello
        others = [known for name, known in self._managers.items() if name != hello.name]
        told = self._relayed(hello)
        for other in others:
            yield Send(data=told, address=other.source, card=other.card)
        if hello.hold_s == 0:
            del self._managers[hello.name]
            return
        self._managers[hello.name] = manager
        for other in others:
            left = replace(other.hello, hold_s=max(1, int(other.until - now)))
            yield Send(data=self._relayed(left), address=manager.source, card=manager.card)

    def _relayed(self, hello: Hello) -> bytes:
        """Of the systems that it manages the one that tells is enough."""
        return encode(replace(hello, via=self._name, manages=(self._name,), asks=False))

    def _ignore(self, reason: str) -> list[Send]:
        self.ignored[reason] += 1
        return []
