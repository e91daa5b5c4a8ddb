"""Every frame of every segment, from before the first to after the last.

One AF_PACKET ring per segment (TPACKET_V3, Linux networking/packet_mmap.rst), opened in the
``wires`` namespace on the segment's bridge: a promiscuous bridge hands up each frame that crosses
it once, whichever its direction. The kernel fills the rings, one thread empties them block by block
into spools (``spool``), and at the end those become pcapng (``pcapng``). No wake-up per packet and no
short timer: with virtual time an idle lab must be able to skip a day. What the frames mean is
``decode``'s business.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from lab.errors import KernelError
from lab.nodes import Node
from lab.topology import model
from lab.wire import pcapng
from lab.wire.spool import Sink, open_sink

BLOCK_BYTES = pcapng.MAX_BLOCK_BYTES
RING_BLOCKS = 16
_FRAME_BYTES = 2048
"""The ring of version 3 packs frames densely; the kernel only wants the sizes to agree."""
_RETIRE_MS = 65535
"""When a block that is not full is handed over; the most that the kernel's unsigned short holds."""

_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 1, 5, 6, 10
_PACKET_MR_PROMISC = 1
_TPACKET_V3 = 2
_TP_STATUS_KERNEL, _TP_STATUS_USER = 0, 1
_ETH_P_ALL = 3

_STATUS_AT = 8
_COUNT_AT = 12
_U32 = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class Captured:
    """What was captured on one segment."""

    segment: str
    path: Path
    packets: int
    dropped: int
    """Frames that the kernel had no room for; more than 0 means that findings miss evidence."""


class Capture:
    """A context: capturing when entered, ``results`` and the files complete when left.

    ``running`` of the lab goes inside of it, so that teardown is on record, too.
    """

    def __init__(self, topology: model.Topology, wires: Node, wire_dir: Path) -> None:
        self.results: tuple[Captured, ...] = ()
        self._segments = tuple(segment.name for segment in topology.segments)
        self._wires = wires
        self._wire_dir = wire_dir
        self._rings: list[_Ring] = []
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)
        self._stop = -1

    def __enter__(self) -> Capture:
        self._wire_dir.mkdir(parents=True, exist_ok=True)
        try:
            for segment in self._segments:
                self._rings.append(self._wires.call(_Ring.open, segment, self._wire_dir))
        except BaseException:
            for ring in self._rings:
                ring.close()
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
        results: list[Captured] = []
        for ring in self._rings:
            packets, dropped = ring.finish()
            path = pcapng.convert(ring.spool)
            results.append(Captured(ring.segment, path, packets, dropped))

        self.results = tuple(results)

    def _read(self) -> None:
        poller = select.poll()
        poller.register(self._stop, select.POLLIN)
        by_descriptor = {ring.socket.fileno(): ring for ring in self._rings}
        for descriptor in by_descriptor:
            poller.register(descriptor, select.POLLIN)

        while True:
            for descriptor, _ in poller.poll():
                if descriptor == self._stop:
                    return
                by_descriptor[descriptor].drain()


class _Ring:
    """The ring of one segment and the spool that it is emptied into."""

    def __init__(self, segment: str, sock: socket.socket, spool: Path, sink: Sink) -> None:
        self.segment = segment
        self.socket = sock
        self.spool = spool
        self._sink = sink
        self._memory = mmap.mmap(sock.fileno(), BLOCK_BYTES * RING_BLOCKS)
        self._view = memoryview(self._memory)
        self._next = 0

    @classmethod
    def open(cls, segment: str, wire_dir: Path) -> _Ring:
        """Called in the ``wires`` namespace; frames are caught from when it returns."""
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            try:
                return cls._open_on(sock, segment, wire_dir)
            except OSError:
                sock.close()
                raise
        except OSError as error:
            raise KernelError("capture segment", segment, str(error)) from error

    @classmethod
    def _open_on(cls, sock: socket.socket, segment: str, wire_dir: Path) -> _Ring:
        sock.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
        frames = BLOCK_BYTES // _FRAME_BYTES * RING_BLOCKS
        sizes = (BLOCK_BYTES, RING_BLOCKS, _FRAME_BYTES, frames, _RETIRE_MS, 0, 0)
        sock.setsockopt(_SOL_PACKET, _PACKET_RX_RING, struct.pack("=7I", *sizes))
        index = socket.if_nametoindex(segment)
        membership = struct.pack("=iHH8s", index, _PACKET_MR_PROMISC, 0, b"")
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)

        spool = wire_dir / f"{segment}{pcapng.SPOOL_SUFFIX}"
        sink = open_sink(spool)
        try:
            sink.write(pcapng.spool_header(segment))
            ring = cls(segment, sock, spool, sink)
        except BaseException:
            sink.close()
            raise
        # Only now, with the ring there, does anything arrive.
        sock.bind((segment, _ETH_P_ALL))
        return ring

    def drain(self) -> None:
        """Write out every block that the kernel has handed over, and hand them back."""
        while True:
            start = self._next * BLOCK_BYTES
            (status,) = _U32.unpack_from(self._memory, start + _STATUS_AT)
            if not status & _TP_STATUS_USER:
                return
            self._write(start)
            # Else ``finish`` might take an old count for a new one.
            _U32.pack_into(self._memory, start + _COUNT_AT, 0)
            _U32.pack_into(self._memory, start + _STATUS_AT, _TP_STATUS_KERNEL)
            self._next = (self._next + 1) % RING_BLOCKS

    def finish(self) -> tuple[int, int]:
        """Stop catching, write out what is there, and return what the kernel caught and dropped."""
        # Protocol 0 takes the socket off the device and waits until nobody writes to the ring.
        self.socket.bind((self.segment, 0))
        self.drain()
        # The block that is being filled is still the kernel's, but no longer changes.
        start = self._next * BLOCK_BYTES
        if _U32.unpack_from(self._memory, start + _COUNT_AT)[0]:
            self._write(start)

        counts = self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12)
        caught, dropped, _ = struct.unpack("=III", counts)
        # The kernel counts what it dropped among what it caught (packet(7), PACKET_STATISTICS).
        self._sink.write(pcapng.spool_trailer(caught, dropped))
        self.close()
        return caught - dropped, dropped

    def close(self) -> None:
        self._view.release()
        self._memory.close()
        self.socket.close()
        self._sink.close()

    def _write(self, start: int) -> None:
        (length,) = _U32.unpack_from(self._memory, start + pcapng.BLOCK_LENGTH_AT)
        self._sink.write(self._view[start : start + length])
