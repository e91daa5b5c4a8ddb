"""The lock-down of a console put into effect and taken back: what ``lockdown`` says, in the kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from lab.linux import firewall, links
from lab.linux.nodes import Node
from lab.service import lockdown
from lab.service.lockdown import CarryingLine, Door
from lab.topology.model import RemoteService

_GONE = f"add table ip {lockdown.TABLE}\ndelete table ip {lockdown.TABLE}\n"
"""Also where somebody has taken the table away already: on a console of the user's own everything may be."""


class Lock:
    """The lock-down of one session on a node; ``dropped`` is what it has kept out, when it is gone."""

    def __init__(
        self, node: Node, service: RemoteService, line: CarryingLine | None = None
    ) -> None:
        self.dropped = 0
        """Packets."""
        self._doors: Sequence[Door] = ()
        self._node = node
        self._service = service
        self._line = line

    @contextlib.contextmanager
    def on(
        self, interfaces: Sequence[str], doors: Sequence[Door], before: str = ""
    ) -> Iterator[None]:
        """Lock interfaces down but for doors; all as before afterwards.

        An interface may be a pattern such as ``ppp*``; it need not be there yet. ``before`` is the table that
        stands before and after, if one does (``lockdown.render_off``).
        """
        rules, gone = (
            lockdown.render(self._service, interfaces, doors, self._line),
            _GONE if before else "",
        )
        with contextlib.ExitStack() as undo:
            self._nft("lock down", gone + rules)
            undo.callback(self._nft, "unlock", _GONE + before)
            undo.callback(self._count)
            yield

    @contextlib.contextmanager
    def overriding(self, interfaces: Sequence[str]) -> Iterator[None]:
        """The customer's own rules do not apply to interfaces inside of the context (I-11)."""
        with contextlib.ExitStack() as undo:
            for name in interfaces:
                firewall.override_customer_rules(self._node, name)
                undo.callback(firewall.override_customer_rules, self._node, name, again=True)
            yield

    def open(self, interfaces: Sequence[str], doors: Sequence[Door]) -> None:
        """Replace the doors of interfaces that are locked down, at once."""
        self._doors = doors
        self._count()
        rules = lockdown.render(self._service, interfaces, doors, self._line)
        self._nft("open the doors of", _GONE + rules)

    @contextlib.contextmanager
    def unlocked(self, before: str) -> Iterator[None]:
        """With the fault late-lockdown: nothing is locked until ``on``; ``before`` is back afterwards."""
        self._nft("unlock", _GONE)
        yield
        self._nft("lock", before)

    def off(self, interfaces: Sequence[str]) -> str:
        """Let only what the console asks for come by interfaces, until a session; the table of it."""
        rules = lockdown.render_off(interfaces, self._line)
        self._nft("lock", rules)
        return rules

    @contextlib.contextmanager
    def forwarding(self, doors: Sequence[Door]) -> Iterator[None]:
        """Pass packets on between the partitions of doors and the session, inside of the context."""
        with contextlib.ExitStack() as undo:
            for door in doors:
                if door.partition is not None:
                    segment = door.partition.segment
                    links.forward(self._node, segment, on=True)
                    undo.callback(links.forward, self._node, segment, on=False)
                    links.forward(self._node, door.interface, on=True)
            yield

    def passed(self) -> int:
        """Packets that have gone through the doors so far."""
        counts, names = self.counts(), lockdown.door_counters(self._service, self._doors)
        return sum(counts.get(name, 0) for name in names)

    def counts(self) -> dict[str, int]:
        """Of each counter of the lock-down, as it stands."""
        return firewall.counters({self._node.name: self._node}).get(self._node.name, {})

    def _count(self) -> None:
        self.dropped += self.counts().get(lockdown.DROPPED, 0)

    def _nft(self, operation: str, script: str) -> None:
        firewall.run(self._node, operation, script)
