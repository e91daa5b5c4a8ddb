"""Proxies that sleep while nobody asks: squid wakes once a second, and a year has thirty million of these.

A packet for the proxy's host wakes it; what has come in the meantime waits in the kernel.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

from lab.inside.running import RunningLab
from lab.linux.nodes import Node
from tunnels.proxy import Squid

AWAKE_S = 120.0
"""On the lab's clock, after the last packet."""
_IPV4 = 0x0800
_HEADER_BYTES = 64


class Dozing:
    """One proxy, which sleeps at first."""

    def __init__(self, squid: Squid, wire: socket.socket) -> None:
        self._squid = squid
        self._wire = wire
        self.due: float | None = None
        """On the lab's clock: when to look whether the proxy may sleep; None while it does."""
        squid.rest(on=True)

    @property
    def fd(self) -> int:
        """Can be read when the proxy is to wake; of no interest while it is awake."""
        return self._wire.fileno()

    def wake(self) -> None:
        """Let the proxy go on."""
        self._squid.rest(on=False)
        self.due = time.time() + AWAKE_S

    def look(self) -> None:
        """Let it sleep if no packet has come since the last look."""
        heard = 0
        with contextlib.suppress(BlockingIOError):
            while self._wire.recv(_HEADER_BYTES):
                heard += 1
        if heard:
            self.due = time.time() + AWAKE_S
        else:
            self.due = None
            self._squid.rest(on=True)


@contextlib.contextmanager
def dozing(lab: RunningLab) -> Iterator[list[Dozing]]:
    """The proxies of a lab, asleep; at the end all are awake."""
    with contextlib.ExitStack() as undo:
        found = []
        for proxy in lab.topology.proxies:
            squid = lab.service(proxy.node)
            if isinstance(squid, Squid) and squid.alive:
                wire = undo.enter_context(_wire(lab.node(proxy.node)))
                undo.callback(_waker(squid))
                found.append(Dozing(squid, wire))
        yield found


def _waker(squid: Squid) -> Callable[[], None]:
    return lambda: squid.rest(on=False)


def _wire(node: Node) -> socket.socket:
    wire = node.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV4))
    wire.setblocking(False)
    return wire
