"""Channels of one session between a representative and a console: bytes in, notices and bytes out. Sans-IO.

The representative opens channels, each to a port of the console's own; the console opens none. An identifier
is used once in a session, and identifiers only grow: so a frame that was under way when its channel ended is
known, and passed over. Each end may send ``WINDOW`` bytes of data by a channel, and then as much as the other
end gives room for: so what is held for a slow reader is ``WINDOW`` bytes a channel, and there are
``MOST_CHANNELS`` at a time.

A frame that makes no sense ends the session, with ``end`` and the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from lab.relay.frames import (
    MOST_BODY,
    U16,
    U32,
    Party,
    PortDenial,
    Refusal,
    RelayFrame,
    RelayKind,
    RelayReader,
    WrongFrame,
    read_refused,
    refused,
)

WINDOW = 65_536
"""Bytes under way by a channel, in each direction."""
MOST_CHANNELS = 64
LAST_CHANNEL = 0xFFFF_FFFF


class ChannelNotice(Enum):
    """What has come, for whoever has the sockets."""

    permitted = auto()
    asked = auto()
    """``number`` is the port: say ``accept`` or ``deny``."""
    opened = auto()
    denied = auto()
    """``number`` is the ``PortDenial``."""
    arrived = auto()
    finished = auto()
    reset = auto()
    ended = auto()
    """``number`` is the ``Refusal``, ``data`` the words."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """One of them."""

    what: ChannelNotice
    channel: int = 0
    number: int = 0
    data: bytes = b""


@dataclass(slots=True)
class _Channel:
    may_send: int = 0
    """Bytes."""
    may_come: int = WINDOW
    """Bytes that the other end may still send."""
    taken: int = 0
    """Bytes that went on to a socket, and that no room was given for again."""
    opened: bool = False
    finished: bool = False
    """By this end."""
    over: bool = False
    """By the other end."""


class Channels:
    """One end of a session. ``take`` has the bytes to send."""

    def __init__(self, part: Party) -> None:
        self.ended: tuple[Refusal, str] | None = None
        """Why the session is over, whoever ended it."""
        self.ports: tuple[int, ...] = ()
        """Of the console, to which channels are permitted."""
        self._part = part
        self._reader = RelayReader()
        self._out = bytearray()
        self._live: dict[int, _Channel] = {}
        self._last = 0
        self._begun = False

    def __len__(self) -> int:
        """Channels that are open, or are being opened."""
        return len(self._live)

    def take(self) -> bytes:
        """What has to be sent since the last time."""
        out, self._out = bytes(self._out), bytearray()
        return out

    # What comes.

    def receive(self, data: bytes) -> list[Noticed]:
        """What came of bytes. What comes after the end of the session is passed over."""
        found: list[Noticed] = []
        if self.ended is not None:
            return found
        self._reader.feed(data)
        try:
            while self.ended is None and (frame := self._reader.next()) is not None:
                found += self._take(frame)
        except WrongFrame as wrong:
            self.end(Refusal.wrong_frame, str(wrong))
            found.append(
                Noticed(ChannelNotice.ended, number=Refusal.wrong_frame, data=str(wrong).encode())
            )
        return found

    def _take(self, frame: RelayFrame) -> Iterable[Noticed]:
        if frame.kind is RelayKind.end:
            reason, words = read_refused(frame)
            self.ended = reason, words
            self._live.clear()
            return [Noticed(ChannelNotice.ended, number=reason, data=words.encode())]
        if self._part is Party.representative and not self._begun:
            return self._take_permitted(frame)
        if frame.kind is RelayKind.open and self._part is Party.console:
            return self._take_open(frame)
        if frame.kind is RelayKind.extend and self._part is Party.console and not self._last:
            return []  # It was under way to the relay when the relay joined the two ends.
        if frame.kind not in _OF_CHANNEL[self._part]:
            raise WrongFrame(f"{frame.kind.name} is not for a {self._part.name} in a session")
        if frame.channel > self._last:
            raise WrongFrame(
                f"{frame.kind.name} for channel {frame.channel}, which nobody has opened"
            )
        channel = self._live.get(frame.channel)
        if channel is None:
            return []  # It was under way when the channel ended.
        return self._take_of(channel, frame)

    def _take_permitted(self, frame: RelayFrame) -> list[Noticed]:
        if frame.kind is not RelayKind.permitted or len(frame.body) % U16.size:
            raise WrongFrame(f"{frame.kind.name} in the place of what is permitted")
        self.ports = tuple(port for (port,) in U16.iter_unpack(frame.body))
        self._begun = True
        return [Noticed(ChannelNotice.permitted)]

    def _take_open(self, frame: RelayFrame) -> list[Noticed]:
        if frame.channel <= self._last:
            raise WrongFrame(f"channel {frame.channel} is opened again")
        (port,) = U16.unpack(frame.body)
        self._last = frame.channel
        if not self._begun or port not in self.ports:
            self._say(RelayKind.denied, frame.channel, bytes((PortDenial.not_permitted,)))
            return [Noticed(ChannelNotice.denied, frame.channel, port)]
        if len(self._live) >= MOST_CHANNELS:
            self._say(RelayKind.denied, frame.channel, bytes((PortDenial.too_many,)))
            return []
        self._live[frame.channel] = _Channel()
        return [Noticed(ChannelNotice.asked, frame.channel, port)]

    def _take_of(self, channel: _Channel, frame: RelayFrame) -> list[Noticed]:
        """A frame about a channel that is live."""
        number = frame.channel
        if frame.kind is RelayKind.reset:
            del self._live[number]
            return [Noticed(ChannelNotice.reset, number)]
        if frame.kind in (RelayKind.opened, RelayKind.denied):
            return self._take_answer(channel, frame)
        if not channel.opened:
            raise WrongFrame(f"{frame.kind.name} for channel {number}, which is not open yet")
        if frame.kind is RelayKind.room:
            (more,) = U32.unpack(frame.body)
            channel.may_send += more
            if channel.may_send > WINDOW:
                raise WrongFrame(f"room for {channel.may_send} bytes in channel {number}")
            return []
        if channel.over:
            raise WrongFrame(f"{frame.kind.name} in channel {number}, which was finished")
        if frame.kind is RelayKind.finished:
            channel.over = True
            self._forget_if_done(number)
            return [Noticed(ChannelNotice.finished, number)]
        channel.may_come -= len(frame.body)
        if channel.may_come < 0:
            raise WrongFrame(f"more data in channel {number} than there is room for")
        return [Noticed(ChannelNotice.arrived, number, data=frame.body)]

    def _take_answer(self, channel: _Channel, frame: RelayFrame) -> list[Noticed]:
        number = frame.channel
        if channel.opened:
            raise WrongFrame(f"{frame.kind.name} for channel {number}, which is open")
        if frame.kind is RelayKind.opened:
            channel.opened, channel.may_send = True, WINDOW
            return [Noticed(ChannelNotice.opened, number)]
        try:
            denial = PortDenial(frame.body[0])
        except ValueError:
            raise WrongFrame(f"channel {number} denied for reason {frame.body[0]}") from None
        del self._live[number]
        return [Noticed(ChannelNotice.denied, number, denial)]

    # What this end does.

    def permit(self, ports: Iterable[int]) -> None:
        """Say to which ports channels may be opened: the console's end, first of all."""
        assert self._part is Party.console, "the console's customer decides"
        assert not self._begun, "it is said once"
        self.ports, self._begun = tuple(ports), True
        self._say(RelayKind.permitted, 0, b"".join(map(U16.pack, self.ports)))

    def open(self, port: int) -> int:
        """Ask for a channel to a port; the channel's number."""
        assert self._part is Party.representative, "only the representative opens channels"
        assert self._last < LAST_CHANNEL, "a session has no more"
        self._last += 1
        self._live[self._last] = _Channel()
        self._say(RelayKind.open, self._last, U16.pack(port))
        return self._last

    def accept(self, number: int) -> None:
        """A channel that was asked for is open."""
        channel = self._live.get(number)
        if channel is None:
            return  # The other end has given it up meanwhile.
        channel.opened, channel.may_send = True, WINDOW
        self._say(RelayKind.opened, number)

    def deny(self, number: int, reason: PortDenial) -> None:
        """A channel that was asked for does not open."""
        if self._live.pop(number, None) is not None:
            self._say(RelayKind.denied, number, bytes((reason,)))

    def may_send(self, number: int) -> int:
        """How many bytes a channel would take now; none if it is no more, or not open yet."""
        channel = self._live.get(number)
        return 0 if channel is None or channel.finished else channel.may_send

    def send(self, number: int, data: bytes) -> None:
        """Send data, of which ``may_send`` allows so much."""
        channel = self._live[number]
        assert len(data) <= channel.may_send, "there is no room"
        channel.may_send -= len(data)
        for start in range(0, len(data), MOST_BODY):
            self._say(RelayKind.data, number, data[start : start + MOST_BODY])

    def give_room(self, number: int, size: int) -> None:
        """So many bytes that had arrived have gone on."""
        channel = self._live.get(number)
        if channel is None or channel.over:
            return
        channel.taken += size
        if channel.taken >= WINDOW // 2:
            channel.may_come += channel.taken
            self._say(RelayKind.room, number, U32.pack(channel.taken))
            channel.taken = 0

    def finish(self, number: int) -> None:
        """No more data will be sent."""
        channel = self._live.get(number)
        if channel is not None and not channel.finished:
            channel.finished = True
            self._say(RelayKind.finished, number)
            self._forget_if_done(number)

    def reset(self, number: int) -> None:
        """Give a channel up."""
        if self._live.pop(number, None) is not None:
            self._say(RelayKind.reset, number)

    def end(self, reason: Refusal, words: str = "") -> None:
        """End the session; nothing is sent after that."""
        if self.ended is None:
            self.ended = reason, words
            self._live.clear()
            self._out += refused(reason, words, over=True)

    def _forget_if_done(self, number: int) -> None:
        channel = self._live[number]
        if channel.finished and channel.over:
            del self._live[number]

    def _say(self, kind: RelayKind, channel: int, body: bytes = b"") -> None:
        if self.ended is None:
            self._out += RelayFrame(kind, channel, body).encode()


_BOTH = frozenset({RelayKind.data, RelayKind.room, RelayKind.finished, RelayKind.reset})
_OF_CHANNEL = {
    Party.console: _BOTH,
    Party.representative: _BOTH | {RelayKind.opened, RelayKind.denied},
}
"""What may come to an end about a channel, beside ``open``."""
