"""One direction of a connected call: bytes leave at the call's rate and arrive after its delay.

Eight bits a byte: between two modems with V.42 the data goes synchronously, without the start and
stop bits of the terminal's line (V.42); its framing, some percent, and V.42bis are left out.
Works on chunks, never on single bytes, and needs no waking while nothing is under way. No lines, no
calls and no clock here.
"""

from __future__ import annotations

import math
import random
from collections import deque
from typing import NamedTuple

CHUNK_S = 0.02
"""What the line carries in this time arrives at once: some fifty wake-ups a second on a busy line."""


class _Chunk(NamedTuple):
    start: float
    end: float
    """When its last bit has left."""
    data: bytes


class Noise:
    """Flips bits at a rate, by drawing the distances between them: an error costs, a bit does not."""

    def __init__(self, bit_error_rate: float, source: random.Random) -> None:
        self._scale = math.log1p(-bit_error_rate)
        self._random = source
        self._next = self._distance()

    def _distance(self) -> int:
        """How many bits pass until the next error: geometrically distributed."""
        return int(min(math.log(1.0 - self._random.random()) / self._scale, 2.0**62))

    def on(self, data: bytes) -> bytes:
        bits = len(data) * 8
        if self._next >= bits:
            self._next -= bits
            return data

        flipped = bytearray(data)
        while self._next < bits:
            flipped[self._next >> 3] ^= 1 << (self._next & 7)
            self._next += 1 + self._distance()
        self._next -= bits
        return bytes(flipped)


class Circuit:
    """One direction."""

    def __init__(self, rate_bit_s: int, delay_s: float, noise: Noise | None = None) -> None:
        self._byte_s = 8 / rate_bit_s
        self._chunk_bytes = max(1, int(rate_bit_s / 8 * CHUNK_S))
        self._delay_s = delay_s
        self._noise = noise
        self._queue = bytearray()
        self._flight: deque[_Chunk] = deque()
        self._free_at = -math.inf
        """When the sending modem can begin the next chunk."""
        self._last_arrival = -math.inf

    @property
    def waiting(self) -> int:
        """How many bytes have not yet left the sending modem's buffer."""
        return len(self._queue)

    @property
    def next_arrival(self) -> float | None:
        return self._flight[0].end + self._delay_s if self._flight else None

    @property
    def wake_at(self) -> float | None:
        """When something is to be done; never while nothing is under way.

        Chunks of a byte or two, from a terminal that writes so, are taken together. And on a long
        line the queue has to drain before the first chunk arrives.
        """
        arrival = self.next_arrival
        if arrival is None:
            return None
        if self._queue and arrival > self._free_at + CHUNK_S:
            return self._free_at
        return max(arrival, self._last_arrival + CHUNK_S)

    def send(self, data: bytes, now: float) -> None:
        self._transmit(now)
        self._free_at = max(self._free_at, now)
        self._queue += data
        self._transmit(now)

    def arrived(self, now: float) -> bytes:
        """What has arrived until now and was not yet given out."""
        self._transmit(now)
        out = []
        while self._flight and self._flight[0].end + self._delay_s <= now:
            out.append(self._flight.popleft().data)
        if not out:
            return b""
        self._last_arrival = now
        data = b"".join(out)
        return self._noise.on(data) if self._noise else data

    def cut(self, now: float) -> int:
        """The sender hangs up: what has not left yet is lost; returns how much that is."""
        self._transmit(now)
        lost = len(self._queue)
        self._queue.clear()
        if self._flight and (last := self._flight[-1]).end > now:
            self._flight.pop()
            left = last.data[: int((now - last.start) / self._byte_s)]
            lost += len(last.data) - len(left)
            if left:
                self._flight.append(_Chunk(last.start, now, left))
        return lost

    def _transmit(self, now: float) -> None:
        """Begin what could begin until now, each chunk when the one before it had left.

        That may be later than it happened: as its bytes were there, nothing else could have been.
        """
        while self._queue and self._free_at <= now:
            data = bytes(self._queue[: self._chunk_bytes])
            del self._queue[: self._chunk_bytes]
            start = self._free_at
            self._free_at = start + len(data) * self._byte_s
            self._flight.append(_Chunk(start, self._free_at, data))
