"""The wire format inside of TLS, version 1: bytes in, frames out. No sockets, no clock.

A frame is a kind (1 byte), a channel (4 bytes), the length of its body (2 bytes), all big-endian, and the
body. ``SHAPES`` says what may be in a frame of each kind, and a frame that is otherwise is known by its head
alone: so nobody can have more than one body of ``MOST_BODY`` bytes waited for.

An end begins with ``hello``, and the relay answers with its own. Then the representative's end sends
``invite`` and gets ``code``; the console's end sends ``redeem``. After ``joined`` the relay passes on every
byte from the one end to the other and looks at none, and the ends speak as ``channels`` says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from lab.topology.service import CODE_DIGITS

VERSION = 1
MAGIC = b"CHL-RELAY"
"""With what every hello begins."""
MOST_BODY = 16_384
MOST_WORDS = 200
"""Bytes of what is said of a refusal, or of the end of a session, beside the reason."""
MOST_PORTS = 256
HEAD = struct.Struct("!BIH")
U16, U32 = struct.Struct("!H"), struct.Struct("!I")


class RelayKind(IntEnum):
    """What a frame is."""

    hello = 1
    invite = 2
    """The representative's end wants a code."""
    code = 3
    """The code's digits, and for how many seconds from now it is valid."""
    extend = 4
    """The representative's end wants its code to be valid for longer; the answer is ``code``."""
    redeem = 5
    """The console's end has a code."""
    joined = 6
    refused = 7
    """A ``Refusal``, and words."""
    permitted = 16
    """The console's first: the ports of its own that this session may be led to."""
    open = 17
    """A channel to one of them. It has no place for an address: a partition cannot be named."""
    opened = 18
    denied = 19
    """A ``PortDenial``."""
    data = 20
    room = 21
    """So many more bytes of data may be sent."""
    finished = 22
    """No more data will come."""
    reset = 23
    """The channel is no more."""
    end = 31
    """The session is over: a ``Refusal``, and words."""


class Party(IntEnum):
    """Whose end a connection to the relay is."""

    console = ord("C")
    representative = ord("R")
    relay = ord("X")


class Refusal(IntEnum):
    """Why a relay, or an end, goes no further."""

    unknown_code = 1
    used_code = 2
    expired_code = 3
    withdrawn_code = 4
    too_many_tries = 5
    not_extended = 6
    wrong_frame = 7
    other_version = 8
    too_late = 9
    left = 16
    disabled = 17

    @property
    def words(self) -> str:
        return _REFUSALS[self]


_REFUSALS = MappingProxyType(
    {
        Refusal.unknown_code: "nobody has been given this code",
        Refusal.used_code: "the code has been used already",
        Refusal.expired_code: "the code has expired",
        Refusal.withdrawn_code: "the representative whose code it is has left",
        Refusal.too_many_tries: "three wrong codes from one address",
        Refusal.not_extended: "the code cannot be extended again",
        Refusal.wrong_frame: "a wrong frame",
        Refusal.other_version: "another version of the protocol",
        Refusal.too_late: "nothing came in time",
        Refusal.left: "the representative has left",
        Refusal.disabled: "the customer has ended the session",
    }
)


class PortDenial(IntEnum):
    """Why a console does not open a channel."""

    not_permitted = 1
    no_answer = 2
    """Nothing listens there."""
    too_many = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """What a frame of a kind may be."""

    least: int
    """Bytes of the body."""
    most: int
    of_channel: bool = False
    """Whether it is about a channel; others have channel 0."""


SHAPES = MappingProxyType(
    {
        RelayKind.hello: Shape(len(MAGIC) + 2, len(MAGIC) + 2),
        RelayKind.invite: Shape(0, 0),
        RelayKind.code: Shape(CODE_DIGITS + 4, CODE_DIGITS + 4),
        RelayKind.extend: Shape(0, 0),
        RelayKind.redeem: Shape(CODE_DIGITS, CODE_DIGITS),
        RelayKind.joined: Shape(0, 0),
        RelayKind.refused: Shape(1, 1 + MOST_WORDS),
        RelayKind.permitted: Shape(0, 2 * MOST_PORTS),
        RelayKind.open: Shape(2, 2, of_channel=True),
        RelayKind.opened: Shape(0, 0, of_channel=True),
        RelayKind.denied: Shape(1, 1, of_channel=True),
        RelayKind.data: Shape(1, MOST_BODY, of_channel=True),
        RelayKind.room: Shape(4, 4, of_channel=True),
        RelayKind.finished: Shape(0, 0, of_channel=True),
        RelayKind.reset: Shape(0, 0, of_channel=True),
        RelayKind.end: Shape(1, 1 + MOST_WORDS),
    }
)
"""Of every kind."""


class WrongFrame(Exception):
    """What came is not of this protocol, or not now. Never leaves ``lab.relay``: it is told to the peer."""


@dataclass(frozen=True, slots=True)
class RelayFrame:
    """One frame."""

    kind: RelayKind
    channel: int = 0
    body: bytes = b""

    def encode(self) -> bytes:
        return HEAD.pack(self.kind, self.channel, len(self.body)) + self.body


class RelayReader:
    """Makes frames of bytes, however these are cut."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """What has come; ``next`` takes frames of it."""
        self._held += data

    def next(self) -> RelayFrame | None:
        """The next frame that is whole; None if there is none. Raises WrongFrame."""
        held = self._held
        if len(held) < HEAD.size:
            return None
        number, channel, length = HEAD.unpack_from(held)
        kind = _checked(number, channel, length)
        end = HEAD.size + length
        if len(held) < end:
            return None
        body = bytes(held[HEAD.size : end])
        del held[:end]
        return RelayFrame(kind, channel, body)

    def rest(self) -> bytes:
        """What was fed and is in no frame yet; it is taken out."""
        held, self._held = bytes(self._held), bytearray()
        return held


def _checked(number: int, channel: int, length: int) -> RelayKind:
    try:
        kind = RelayKind(number)
    except ValueError:
        raise WrongFrame(f"there is no kind {number} of frame") from None
    shape = SHAPES[kind]
    if not shape.least <= length <= shape.most:
        raise WrongFrame(f"{kind.name} with a body of {length} bytes")
    if shape.of_channel != (channel != 0):
        raise WrongFrame(f"{kind.name} for channel {channel}")
    return kind


# Bodies.


def hello(part: Party) -> bytes:
    """With what an end, or the relay, begins."""
    return RelayFrame(RelayKind.hello, body=MAGIC + bytes((VERSION, part))).encode()


def read_hello(frame: RelayFrame) -> tuple[int, Party]:
    """Version and part of a first frame; WrongFrame if it is no hello."""
    if frame.kind is not RelayKind.hello or not frame.body.startswith(MAGIC):
        raise WrongFrame(f"{frame.kind.name} in the place of hello")
    version, part = frame.body[len(MAGIC) :]
    try:
        return version, Party(part)
    except ValueError:
        raise WrongFrame(f"hello of part {part}") from None


def code(digits: str, valid_s: float) -> bytes:
    body = digits.encode() + U32.pack(round(valid_s))
    return RelayFrame(RelayKind.code, body=body).encode()


def read_code(frame: RelayFrame) -> tuple[str, int]:
    """Digits and seconds of a ``code``."""
    return digits(frame.body[:CODE_DIGITS]), U32.unpack(frame.body[CODE_DIGITS:])[0]


def digits(body: bytes) -> str:
    """The digits of a code; WrongFrame if they are none."""
    if len(body) != CODE_DIGITS or not body.isdigit():
        raise WrongFrame(f"a code has {CODE_DIGITS} digits")
    return body.decode()


def refused(reason: Refusal, words: str = "", *, over: bool = False) -> bytes:
    """A refusal; or, if a session is ``over``, its end."""
    kind = RelayKind.end if over else RelayKind.refused
    said = words.encode(errors="replace")[:MOST_WORDS]
    return RelayFrame(kind, body=bytes((reason,)) + said).encode()


def read_refused(frame: RelayFrame) -> tuple[Refusal, str]:
    """The reason and the words of ``refused`` or ``end``; words are what can be printed of them."""
    try:
        reason = Refusal(frame.body[0])
    except ValueError:
        raise WrongFrame(f"{frame.kind.name} for reason {frame.body[0]}") from None
    said = frame.body[1:].decode(errors="replace")
    return reason, "".join(c if c.isprintable() else "?" for c in said)
