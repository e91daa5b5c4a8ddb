"""What all connections to a lab's servers have in common, and what each of them may take."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.ibm.answers import Answer
    from lab.ibm.errand_desk import ErrandDesk
    from lab.ibm.ledger import Ledger
    from lab.ibm.once import Once
    from lab.ibm.receiver.desk import Receiver
    from lab.ibm.stubs import Stubs
    from lab.ibm.tls import KeyLog

KEY_FIELD = "idempotency-key"
"""By which a sender that has to send a request twice knows it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection may take, on the lab's clock; nobody can hold a thread by being slow."""

    handshake_s: float = 30.0
    request_s: float = 60.0
    """From the end of one request (or of the handshake) until the next one's head is there."""
    body_grace_s: float = 60.0
    body_rate_byte_s: float = 100.0
    """A body slower than this, after the grace, is given up; a modem at 1200 bit/s passes."""
    send_s: float = 60.0
    farewell_s: float = 5.0
    body_bytes: int = 64 << 20
    hang_s: float = 86400.0
    """For how long a stub that hangs keeps a client who stays."""
    connections: int = 256


class Shared:
    """What all connections have in common."""

    def __init__(
        self,
        ledger: Ledger,
        key_log: KeyLog,
        stubs: Stubs | None,
        limits: Limits,
        open_desk: Callable[[], ErrandDesk],
        open_receiver: Callable[[], Receiver] | None = None,
    ) -> None:
        """``open_desk`` is called for the first errand, ``open_receiver`` for what is first asked of the
        receiver; without it these servers have none."""
        self.ledger = ledger
        self.key_log = key_log
        self.stubs = stubs
        self.limits = limits
        self.serial = itertools.count(1).__next__
        """The number of the next transaction."""
        self._open_desk = open_desk
        self._desk: ErrandDesk | None = None
        self._open_receiver = open_receiver
        self._receiver: Receiver | None = None
        self._once: Once | None = None
        self._lock = threading.Lock()

    @property
    def desk(self) -> ErrandDesk:
        """Where errands are done: few agents have any, and what does them is imported then."""
        with self._lock:
            if self._desk is None:
                self._desk = self._open_desk()
            return self._desk

    def answer(self, fields: Mapping[str, str], said: str, make: Callable[[], Answer]) -> Answer:
        """Answer a request by ``make``, and one that has a key as ``Once`` does; that is imported then."""
        if not (key := fields.get(KEY_FIELD)):
            return make()
        with self._lock:
            if self._once is None:
                from lab.ibm.once import Once

                self._once = Once()
        return self._once.answer(key, said, make)

    @property
    def receives(self) -> bool:
        """Whether there is a receiver."""
        return self._open_receiver is not None

    @property
    def receiver(self) -> Receiver:
        """What answers below ``/service/``; imported now, if it was not."""
        with self._lock:
            if self._receiver is None:
                assert self._open_receiver is not None, "who asks has looked whether there is one"
                self._receiver = self._open_receiver()
            return self._receiver

    def close(self) -> None:
        """After the last connection."""
        with self._lock:
            if self._receiver is not None:
                self._receiver.close()
