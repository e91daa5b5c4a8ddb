"""The kernel's ring of what arrives in a network namespace, block by block.

One AF_PACKET socket on all its devices (TPACKET_V3, Linux networking/packet_mmap.rst). The kernel
fills block after block; whoever has read one gives it back by a word in it, from whatever process the
memory is shared with. What the frames are, and where they go, is not known here.
"""

from __future__ import annotations

import mmap
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lab.linux import syscalls

BLOCK_BYTES = 1 << 20
"""Large, as each that is full wakes a thread, which in the guest costs more than to read it."""
BLOCKS = 16

_FRAME_BYTES = 2048
"""The ring of version 3 packs frames densely; the kernel only wants the sizes to agree."""
_RETIRE_MS = 65535
"""When a block that is not full is handed over; the most that the kernel's unsigned short holds.

With virtual time an idle lab must be able to skip a day: no short timer."""

_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION, _PACKET_IGNORE_OUTGOING = 5, 6, 10, 23
_TPACKET_V3 = 2
_TP_STATUS_KERNEL, _TP_STATUS_USER = 0, 1
_ETH_P_ALL = 3

_STATUS_AT, _COUNT_AT, _LENGTH_AT, _SEQUENCE_AT = 8, 12, 20, 24
"""struct tpacket_block_desc."""
_U32 = struct.Struct("=I")
_U64 = struct.Struct("=Q")


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block is in the ring's memory, and how much of it is used, in bytes."""

    start: int
    length: int


class Ring:
    """What arrives on every device of the namespace in which it was opened; what leaves is not in it.

    ``full`` gives each block once, in order. Whoever reads a block then calls ``give_back``.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.memory = mmap.mmap(sock.fileno(), BLOCK_BYTES * BLOCKS)
        self._next = 0
        self._given = 0
        """The sequence number of the last block that was given; the kernel's begin at 1."""

    @classmethod
    def open(cls, taken: bytes = b"") -> Ring:
        """Called in the namespace; frames are caught from when it returns. Raises OSError.

        ``taken``: a classic BPF program that takes the frames to be caught; without one all are.
        """
        sock = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.htons(_ETH_P_ALL)
        )
        try:
            # Each frame arrives on one device, however many it leaves by.
            sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            sock.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            frames = BLOCK_BYTES // _FRAME_BYTES * BLOCKS
            sizes = (BLOCK_BYTES, BLOCKS, _FRAME_BYTES, frames, _RETIRE_MS, 0, 0)
            sock.setsockopt(_SOL_PACKET, _PACKET_RX_RING, struct.pack("=7I", *sizes))
            if taken:
                syscalls.attach_filter(sock, taken)
            return cls(sock)
        except BaseException:
            sock.close()
            raise

    def full(self) -> Iterator[Block]:
        """The blocks that the kernel has handed over since the last time."""
        while True:
            start = self._next * BLOCK_BYTES
            (status,) = _U32.unpack_from(self.memory, start + _STATUS_AT)
            (sequence,) = _U64.unpack_from(self.memory, start + _SEQUENCE_AT)
            # Handed over, and not one that was given and has not been given back yet.
            if not status & _TP_STATUS_USER or sequence <= self._given:
                return
            self._given = sequence
            self._next = (self._next + 1) % BLOCKS
            yield self._block(start)

    def stop(self) -> Iterator[Block]:
        """Catch nothing more, and give what is there: also the block that is being filled."""
        # The kernel takes the socket off all devices, and waits until nobody writes to the ring.
        # ``lo`` of a namespace for wires is silent. Protocol 0 means the one that it has.
        self.socket.bind(("lo", 0))
        yield from self.full()
        start = self._next * BLOCK_BYTES
        (sequence,) = _U64.unpack_from(self.memory, start + _SEQUENCE_AT)
        if sequence > self._given and _U32.unpack_from(self.memory, start + _COUNT_AT)[0]:
            yield self._block(start)

    def lost(self) -> int:
        """How many frames the kernel had no room for, since it was last asked."""
        counts = self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12)
        return int(struct.unpack("=III", counts)[1])

    def close(self) -> None:
        self.memory.close()
        self.socket.close()

    def _block(self, start: int) -> Block:
        return Block(start, _U32.unpack_from(self.memory, start + _LENGTH_AT)[0])


def give_back(memory: mmap.mmap, start: int) -> None:
    """Let the kernel fill a block again: by its place in the ring's memory, whoever has that mapped."""
    # Else ``stop`` might take an old count for a new one.
    _U32.pack_into(memory, start + _COUNT_AT, 0)
    _U32.pack_into(memory, start + _STATUS_AT, _TP_STATUS_KERNEL)
