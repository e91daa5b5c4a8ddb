"""Reliable delivery of control messages (RFC 2661 5.8, appendix A).

One ``Delivery`` is one end of a tunnel's control connection. It knows nothing of what messages say, and
has no clock: whoever calls it says what time it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Send: TypeAlias = Callable[[int, int, int, bytes], None]
"""Takes session ID, Ns, Nr and body of what is to be sent now."""

DEFAULT_WINDOW = 4
"""Messages that may wait for an acknowledgement if the peer names no window (RFC 2661 4.4.3)."""
BACKLOG = 256
"""More messages than this that a peer does not acknowledge, and it is taken for lost."""
_MODULUS = 1 << 16
_HALF = _MODULUS // 2


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long is tried (RFC 2661 5.8)."""

    first_s: float = 1.0
    most_s: float = 8.0
    """The interval doubles up to this; the RFC wants eight seconds at least."""
    retransmissions: int = 5

    @property
    def cycle_s(self) -> float:
        """From the first time that a message is sent until its peer is given up: 31 s, as in RFC 2661 5.7."""
        return sum(self.interval_s(tries) for tries in range(self.retransmissions + 1))

    def interval_s(self, tries: int) -> float:
        """How long to wait after so many retransmissions."""
        return min(self.first_s * 2.0**tries, self.most_s)


class Arrived(NamedTuple):
    """A message whose turn it is."""

    session_id: int
    body: bytes


class Delivery:
    """Numbers what is sent, keeps it until it is acknowledged, and puts what arrives in order, once each."""

    def __init__(self, send: Send, patience: Patience, window: int) -> None:
        self._send = send
        self._patience = patience
        self._window = window
        """How many messages ahead of the expected one are kept."""
        self._queue: deque[Arrived] = deque()
        """Not acknowledged yet; the first has the number ``_first``."""
        self._first = 0
        self._flight = 0
        """How many of the queue are under way."""
        self._numbered = 0
        """How many of the queue were sent at least once."""
        self._expected = 0
        self._held: dict[int, Arrived] = {}
        self._peer_window = DEFAULT_WINDOW
        self._congestion_window = 1.0
        self._threshold = float(DEFAULT_WINDOW)
        self._tries = 0
        self.due: float | None = None
        """When the oldest message under way is to be sent again."""
        self.ack_wanted = False
        """Something arrived that nothing sent since then acknowledges."""
        self.retransmitted = 0

    @property
    def settled(self) -> bool:
        """Everything is acknowledged."""
        return not self._queue

    @property
    def oldest(self) -> bytes:
        """The body of the oldest message that is not acknowledged."""
        return self._queue[0].body if self._queue else b""

    @property
    def overfull(self) -> bool:
        """The peer has left too much without an acknowledgement."""
        return len(self._queue) > BACKLOG

    def open_window(self, size: int) -> None:
        """The peer says how many messages it takes at once (Receive Window Size)."""
        self._peer_window = max(size, 1)
        self._threshold = float(self._peer_window)

    # Sending.

    def push(self, session_id: int, body: bytes, now: float) -> None:
        """Send a message as soon as the window allows, and until it is acknowledged."""
        self._queue.append(Arrived(session_id, body))
        self._fill(now)

    def acknowledge(self, session_id: int = 0) -> None:
        """Send an acknowledgement alone (ZLB) if one is wanted; it takes no number of its own.

        With a session ID it is wanted in any case.
        """
        if self.ack_wanted or session_id:
            self._emit(session_id, (self._first + self._numbered) % _MODULUS, b"")

    def _fill(self, now: float) -> None:
        allowed = min(int(self._congestion_window), self._peer_window)
        while self._flight < min(len(self._queue), allowed):
            session_id, body = self._queue[self._flight]
            self._emit(session_id, (self._first + self._flight) % _MODULUS, body)
            self._flight += 1
            self._numbered = max(self._numbered, self._flight)
            if self.due is None:
                self.due = now + self._patience.interval_s(self._tries)

    def _emit(self, session_id: int, ns: int, body: bytes) -> None:
        self.ack_wanted = False
        self._send(session_id, ns, self._expected, body)

    def tick(self, now: float) -> bool:
        """Send again what is due; False once the peer has not answered as often as is tried."""
        if self.due is None or now < self.due:
            return True
        if self._tries >= self._patience.retransmissions:
            self.due = None
            return False
        self._tries += 1
        # Appendix A: half of what was under way, and slow start again; go back to the oldest message.
        self._threshold = max(self._congestion_window / 2, 1.0)
        self._congestion_window = 1.0
        self._flight = 0
        self.due = None
        self.retransmitted += 1
        self._fill(now)
        return True

    # Receiving.

    def take(self, ns: int, nr: int, arrived: Arrived, now: float) -> list[Arrived] | None:
        """What can be delivered now, in order; None if ``nr`` acknowledges what was never sent."""
        acknowledged = (nr - self._first) % _MODULUS
        if acknowledged < _HALF:
            if acknowledged > self._numbered:
                return None
            self._acknowledged(acknowledged, now)
        # Otherwise it acknowledges less than is known already: an older message that came late.
        if not arrived.body:
            return []
        ahead = (ns - self._expected) % _MODULUS
        if ahead >= _HALF:
            self.ack_wanted = True
            return []
        if ahead >= self._window:
            return []
        self._held.setdefault(ns, arrived)
        ready = []
        while (following := self._held.pop(self._expected, None)) is not None:
            ready.append(following)
            self._expected = (self._expected + 1) % _MODULUS
            self.ack_wanted = True
        return ready

    def _acknowledged(self, number: int, now: float) -> None:
        if number == 0:
            return
        for _ in range(number):
            self._queue.popleft()
        self._first = (self._first + number) % _MODULUS
        self._flight = max(self._flight - number, 0)
        self._numbered -= number
        slow_start = self._congestion_window < self._threshold
        self._congestion_window += 1.0 if slow_start else 1.0 / self._congestion_window
        self._congestion_window = min(self._congestion_window, float(self._peer_window))
        self._tries = 0
        self.due = now + self._patience.interval_s(0) if self._flight else None
        self._fill(now)
