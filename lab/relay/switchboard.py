"""What a relay does with what it hears: gives codes, takes codes, joins two connections. Sans-IO.

A connection has a number. ``receive`` gives orders to whoever has the sockets; after a ``Joined`` the bytes
of the two connections belong to one another, and come here no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from lab.relay import frames
from lab.relay.codes import Codes, Tries
from lab.relay.frames import (
    VERSION,
    Party,
    Refusal,
    RelayFrame,
    RelayKind,
    RelayReader,
    WrongFrame,
)

HELLO_S = 20.0
"""From the TLS handshake until the hello."""
REDEEM_S = 60.0
"""For a customer's end to say its code, or another one."""


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes for a connection."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """A connection ends, once what was said is sent."""

    number: int
    reason: Refusal


@dataclass(frozen=True, slots=True)
class Invited:
    """A representative was given a code, or more time for it."""

    number: int
    valid_s: float


@dataclass(frozen=True, slots=True)
class CodeRefused:
    """A code was not taken."""

    number: int
    reason: Refusal


@dataclass(frozen=True, slots=True)
class Joined:
    """Two connections become one session."""

    console: int
    representative: int
    early: bytes
    """What the console's end sent behind its code already."""


Order = Said | Dropped | Invited | CodeRefused | Joined


@dataclass(slots=True)
class _Caller:
    address: str
    reader: RelayReader
    until: float
    """When it is dropped if nothing comes."""
    part: Party | None = None
    digits: str = ""
    """Of its code, if it is a representative that has been given one."""


class Switchboard:
    """All connections of a relay that are not joined yet."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._tries = Tries()
        self._callers: dict[int, _Caller] = {}

    def note_connected(self, number: int, address: str, now: float) -> None:
        """A TLS connection stands."""
        self._callers[number] = _Caller(address, RelayReader(), now + HELLO_S)

    def note_gone(self, number: int) -> None:
        """A connection has ended; it may have been joined."""
        caller = self._callers.pop(number, None)
        if caller is not None and caller.digits:
            self._codes.withdraw(caller.digits)

    @property
    def next_deadline(self) -> float:
        """When ``expire`` has something to do; inf if never."""
        return min((caller.until for caller in self._callers.values()), default=inf)

    def expire(self, now: float) -> list[Order]:
        """Drop the connections whose time is over."""
        late = [number for number, caller in self._callers.items() if caller.until <= now]
        orders: list[Order] = []
        for number in late:
            expired = self._callers[number].digits
            reason = Refusal.expired_code if expired else Refusal.too_late
            orders += self._drop(number, reason)
        return orders

    def receive(self, number: int, data: bytes, now: float) -> list[Order]:
        """What has to be done now that bytes have come by a connection."""
        caller = self._callers[number]
        caller.reader.feed(data)
        orders: list[Order] = []
        try:
            while number in self._callers and (frame := caller.reader.next()) is not None:
                orders += self._take(number, caller, frame, now)
        except WrongFrame as wrong:
            orders += self._drop(number, Refusal.wrong_frame, str(wrong))
        return orders

    def _take(self, number: int, caller: _Caller, frame: RelayFrame, now: float) -> Iterator[Order]:
        if caller.part is None:
            yield from self._greet(number, caller, frame, now)
        elif frame.kind is RelayKind.invite and caller.part is Party.representative:
            if caller.digits:
                raise WrongFrame("a second invite by one connection")
            caller.digits = self._codes.issue(number, now)
            yield from self._tell_code(number, caller, now)
        elif frame.kind is RelayKind.extend and caller.digits:
            refusal = self._codes.extend(caller.digits, now)
            if refusal is None:
                yield from self._tell_code(number, caller, now)
            else:
                yield Said(number, frames.refused(refusal))
        elif frame.kind is RelayKind.redeem and caller.part is Party.console:
            yield from self._redeem(number, caller, frames.digits(frame.body), now)
        else:
            raise WrongFrame(f"{frame.kind.name} is not for a relay now")

    def _greet(
        self, number: int, caller: _Caller, frame: RelayFrame, now: float
    ) -> Iterator[Order]:
        version, part = frames.read_hello(frame)
        if version != VERSION:
            yield from self._drop(
                number, Refusal.other_version, f"{VERSION} is spoken here, not {version}"
            )
            return
        if part is Party.relay:
            raise WrongFrame("hello of another relay")
        caller.part = part
        caller.until = now + REDEEM_S
        yield Said(number, frames.hello(Party.relay))

    def _tell_code(self, number: int, caller: _Caller, now: float) -> Iterator[Order]:
        caller.until = self._codes.expires(caller.digits)
        valid_s = caller.until - now
        yield Said(number, frames.code(caller.digits, valid_s))
        yield Invited(number, valid_s)

    def _redeem(self, number: int, caller: _Caller, digits: str, now: float) -> Iterator[Order]:
        if self._tries.locked(caller.address, now):
            yield CodeRefused(number, Refusal.too_many_tries)
            yield from self._drop(number, Refusal.too_many_tries)
            return
        found = self._codes.redeem(digits, now)
        if isinstance(found, Refusal):
            yield CodeRefused(number, found)
            caller.until = now + REDEEM_S
            if self._tries.note_wrong(caller.address, now):
                yield from self._drop(number, Refusal.too_many_tries, found.words)
            else:
                yield Said(number, frames.refused(found))
            return
        self._tries.note_right(caller.address)
        for joined in (number, found):
            del self._callers[joined]
            yield Said(joined, RelayFrame(RelayKind.joined).encode())
        yield Joined(number, found, caller.reader.rest())

    def _drop(self, number: int, reason: Refusal, words: str = "") -> list[Order]:
        self.note_gone(number)
        return [Said(number, frames.refused(reason, words)), Dropped(number, reason)]
