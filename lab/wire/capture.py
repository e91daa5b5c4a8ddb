"""Every frame of every segment, from before the first to after the last.

One ring (``ring``) in the ``wires`` namespace catches what comes in by any port of any bridge, so that
each frame is caught once, where it enters its segment, and all frames are in the order in which they
came. No bridge is made promiscuous for it: each would pass every frame up to a network stack that has no
use for it. One thread empties the ring into a spool (``spool``). Making one file a segment of that
(``pcapng``) is for whoever reads them: on the host it is cheaper than here. What the frames mean is
``decode``'s business.
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.errors import KernelError
from lab.linux.nodes import Node
from lab.linux.worker import start_worker
from lab.wire import pcapng
from lab.wire.ring import Ring
from lab.wire.spool import Sink, open_sink


class Capture:
    """``spool`` and ``lost`` are complete once ``start_capture`` has been left."""

    def __init__(self, ring: Ring, sink: Sink, spool: Path) -> None:
        self.lost = 0
        """Frames that the kernel had no room for; more than 0 means that findings miss evidence."""
        self.spool = spool
        self._ring = ring
        self._sink = sink

    def read(self, told: int) -> None:
        """Empty the ring, block by block, until there is something to be read from ``told``."""
        with select.epoll() as poller:
            poller.register(told, select.EPOLLIN)
            # By edge: to poll, a block stays ready until it has been given back, which the host does.
            poller.register(self._ring.socket, select.EPOLLIN | select.EPOLLET)
            while True:
                for descriptor, _ in poller.poll():
                    if descriptor == told:
                        return
                    for block in self._ring.full():
                        self._sink.take(block)

    def finish(self) -> None:
        """Catch nothing more, and write down what is left in the ring."""
        for block in self._ring.stop():
            self._sink.take(block)
        self.lost = self._ring.lost()
        self._sink.write(pcapng.spool_trailer(self.lost))


@contextlib.contextmanager
def start_capture(
    ports: Mapping[int, str], wires: Node, wire_dir: Path, taken: bytes = b""
) -> Iterator[Capture]:
    """Capture until left. ``ports``: index of each port in ``wires`` to its segment (``links.ports``).
    ``taken``: a program that says which frames are taken (``Ring.open``).

    ``running`` of the lab goes inside of it, so that teardown is on record, too.
    """
    spool = wire_dir / pcapng.SPOOL
    spool.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as undo:
        try:
            ring = wires.call(Ring.open, taken)
        except OSError as error:
            raise KernelError("capture", "the segments", str(error)) from error
        undo.callback(ring.close)
        # Closed before the ring: the host may still be reading that.
        sink = undo.enter_context(contextlib.closing(open_sink(spool, ring.memory)))
        sink.write(pcapng.spool_header(ports))
        capture = Capture(ring, sink, spool)
        undo.callback(capture.finish)
        undo.enter_context(start_worker(capture.read, "capture"))
        yield capture
