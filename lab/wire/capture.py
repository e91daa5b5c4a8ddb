"""Every frame of every segment, from before the first to after the last.

One ring (``ring``) in the ``wires`` namespace catches what comes in by any port of any bridge, so that
each frame is caught once, where it enters its segment, and all frames are in the order in which they
came. No bridge is made promiscuous for it: each would pass every frame up to a network stack that has no
use for it. One thread empties the ring into a spool (``spool``). Making one file a segment of that
(``pcapng``) is for whoever reads them: on the host it is cheaper than here. What the frames mean is
``decode``'s business.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from lab.errors import KernelError
from lab.linux.nodes import Node
from lab.wire import pcapng
from lab.wire.ring import Ring
from lab.wire.spool import Sink, open_sink


class Capture:
    """A context: capturing when entered; the spool and ``lost`` are complete when left.

    ``running`` of the lab goes inside of it, so that teardown is on record, too.
    """

    def __init__(self, ports: Mapping[int, str], wires: Node, wire_dir: Path) -> None:
        """``ports``: index of each port in ``wires`` to its segment, as ``links.ports`` has them."""
        self.lost = 0
        """Frames that the kernel had no room for; more than 0 means that findings miss evidence."""
        self._ports = ports
        self._wires = wires
        self.spool = wire_dir / pcapng.SPOOL
        self._ring: Ring | None = None
        self._sink: Sink | None = None
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)
        self._stop = -1

    def __enter__(self) -> Capture:
        self.spool.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._ring = self._wires.call(Ring.open)
        except OSError as error:
            raise KernelError("capture", "the segments", str(error)) from error
        try:
            self._sink = open_sink(self.spool, self._ring.memory)
            self._sink.write(pcapng.spool_header(self._ports))
        except BaseException:
            self._close()
            raise

        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)
        assert self._ring is not None
        assert self._sink is not None
        for block in self._ring.stop():
            self._sink.take(block)
        self.lost = self._ring.lost()
        self._sink.write(pcapng.spool_trailer(self.lost))
        self._close()

    def _read(self) -> None:
        assert self._ring is not None
        assert self._sink is not None
        with select.epoll() as poller:
            poller.register(self._stop, select.EPOLLIN)
            # By edge: to poll, a block stays ready until it has been given back, which the host does.
            poller.register(self._ring.socket, select.EPOLLIN | select.EPOLLET)
            while True:
                for descriptor, _ in poller.poll():
                    if descriptor == self._stop:
                        return
                    for block in self._ring.full():
                        self._sink.take(block)

    def _close(self) -> None:
        """The sink first: the host may still be reading the ring."""
        if self._sink is not None:
            self._sink.close()
        if self._ring is not None:
            self._ring.close()
