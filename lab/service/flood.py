"""A flood of SYNs for a closed port while a session comes up: is there a moment without a lock-down?"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence

from lab.linux.nodes import Node
from lab.linux.worker import readable, start_worker
from lab.record.event import Tell
from lab.service.events import Flooded
from lab.wire import craft

SOURCE_PORT = 61_002
"""Beyond those that a Linux gives programs, and no scan's."""
EVERY_MS = 20.0
"""Of lab time."""
_READ_BYTES = 256
_ETH_P_IP = 0x0800
_SYN_ACK = 0x12


class Flood:
    """A flood under way, from a node by an address, towards one port of several addresses."""

    def __init__(
        self, node: Node, own: str, targets: Sequence[str], port: int, every_ms: float
    ) -> None:
        self.sent = 0
        self.answered: set[str] = set()
        """The addresses that sent a SYN/ACK."""
        self._node = node
        self._own = own
        self._every_ms = every_ms
        self._packets = [
            (target, craft.syn(own, target, (SOURCE_PORT, port))) for target in targets
        ]

    def run(self, told: int) -> None:
        """Send until ``told`` is readable."""
        node = self._node
        with (
            node.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender,
            node.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP)) as listener,
        ):
            listener.setblocking(False)
            poller = readable(told)
            while not poller.poll(self._every_ms):
                self._send(sender)
                self._read(listener)
            self._read(listener)

    def _send(self, sender: socket.socket) -> None:
        for target, packet in self._packets:
            # There may be no way there yet.
            with contextlib.suppress(OSError):
                sender.sendto(packet, (target, 0))
                self.sent += 1

    def _read(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = listener.recv(_READ_BYTES)
                start = (packet[0] & 0xF) * 4
                mine = packet[9] == socket.IPPROTO_TCP and packet[16:20] == socket.inet_aton(
                    self._own
                )
                if mine and len(packet) > start + 13 and packet[start + 13] == _SYN_ACK:
                    self.answered.add(socket.inet_ntoa(packet[12:16]))


@contextlib.contextmanager
def flooding(
    node: Node,
    own: str,
    targets: Sequence[str],
    port: int,
    tell: Tell,
    source: str,
    *,
    every_ms: float = EVERY_MS,
) -> Iterator[None]:
    """Flood addresses inside of the context, and tell at the end what answered.

    ``source`` is the node to which ``node``, a namespace of tools, belongs.
    """
    flood, started = Flood(node, own, targets, port, every_ms), time.time()
    try:
        with start_worker(flood.run, "flood"):
            yield
    finally:
        tell(
            Flooded(
                source=source,
                started=started,
                address=own,
                targets=tuple(targets),
                port=port,
                sent=flood.sent,
                answered=tuple(sorted(flood.answered)),
            )
        )
