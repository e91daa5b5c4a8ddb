"""Fragments put together as Linux does (RFC 791 3.2, RFC 8200 4.5, RFC 5722); nothing judged.

The fragment that completes a datagram gives way to the datagram; the others are left as parts, with the ports
of the first, so that each is of the datagram's flow. What has gaps, overlaps or is late is not put together,
and ``Packet.unread`` of each part says why.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from lab.wire import decode
from lab.wire.decode import Frame, Packet

KEPT_S = {4: 30.0, 6: 60.0}
"""For how long the kernel waits for what is missing (``ipfrag_time``, ``ip6frag_time``), by version of IP."""

GAP = "other fragments of it are missing"
NO_FIRST = "its first fragment is missing"
OVERLAP = "its fragments overlap"

Seen = tuple[Hashable, float, Packet]
"""Where a packet was seen, when, and the packet: a wire and who sent it there, or a direction of a tunnel."""


@dataclass(slots=True)
class _Datagram:
    """The fragments of one, as they come."""

    began: float
    parts: list[tuple[int, Packet]] = field(default_factory=list)
    """Each fragment, and its place among all packets."""
    runs: dict[int, bytes] = field(default_factory=dict)
    """What is there, by its offset."""
    end: int | None = None
    """Its length, once the last part of it is there."""
    spoiled: bool = False

    @property
    def first(self) -> Packet | None:
        return next((packet for _, packet in self.parts if packet.fragment_offset == 0), None)

    @property
    def is_whole(self) -> bool:
        return self.end is not None and sum(map(len, self.runs.values())) == self.end

    def take(self, place: int, packet: Packet) -> None:
        """One more fragment; what is there already is ignored, and what overlaps spoils it all."""
        self.parts.append((place, packet))
        start, body = packet.fragment_offset, packet.body
        if packet.more_fragments:
            body = body[: len(body) // 8 * 8]
        stop = start + len(body)
        runs = [(at, at + len(run)) for at, run in self.runs.items()]
        if any(at <= start and stop <= until for at, until in runs):
            return
        too_long = self.end is not None and stop > self.end
        if not packet.more_fragments:
            too_long |= any(until > stop for _, until in runs) or self.end not in (None, stop)
            self.end = stop
        if too_long or any(at < stop and start < until for at, until in runs):
            self.spoiled = True
        self.runs[start] = body

    def body(self) -> bytes:
        return b"".join(self.runs[at] for at in sorted(self.runs))

    def read(self, whole: Packet | None) -> Iterable[tuple[int, Packet]]:
        """What its fragments are to be taken for; ``whole`` stands in the place of the last."""
        model = whole or self.first
        unread = ""
        if whole is None:
            unread = OVERLAP if self.spoiled else GAP if model else NO_FIRST
        for place, packet in self.parts:
            yield place, _part(packet, None if self.spoiled else model, unread)
        if whole is not None:
            yield self.parts[-1][0], whole


def _part(packet: Packet, model: Packet | None, unread: str) -> Packet:
    """A fragment; the ports are the model's, and what it carries is read with the datagram alone."""
    return replace(
        packet,
        protocol=model.protocol if model else packet.protocol,
        source_port=model.source_port if model else 0,
        destination_port=model.destination_port if model else 0,
        tcp_flags=0,
        tcp_sequence=0,
        payload_from=0,
        payload_to=0,
        unread=unread,
    )


def put_together(seen: Sequence[Seen]) -> list[Packet]:
    """The packets in the same order, datagrams in the place of the fragments that complete them."""
    found = [packet for _, _, packet in seen]
    open_: dict[Hashable, _Datagram] = {}
    for place, (where, time, packet) in enumerate(seen):
        if not packet.is_fragment:
            continue
        protocol = packet.body_protocol if packet.version == 4 else 0
        key = (where, packet.source, packet.destination, protocol, packet.identification)
        datagram = open_.get(key)
        if datagram is None or time - datagram.began > KEPT_S[packet.version]:
            _close(open_.pop(key, None), found)
            datagram = open_[key] = _Datagram(time)
        datagram.take(place, packet)
        if datagram.spoiled or datagram.is_whole:
            _close(open_.pop(key), found)
    for datagram in open_.values():
        _close(datagram, found)
    return found


def _close(datagram: _Datagram | None, found: list[Packet]) -> None:
    """Nothing more of it is to come."""
    if datagram is None:
        return
    first = datagram.first
    complete = datagram.is_whole and not datagram.spoiled and first is not None
    whole = decode.assembled(first, datagram.body()) if complete and first else None
    for place, packet in datagram.read(whole):
        found[place] = packet


def joined(frames: list[Frame]) -> list[Frame]:
    """The frames of a wire, fragments put together as who is on this wire would do it."""
    own = [frame for frame in frames if frame.ip and frame.ip.is_fragment]
    if not own:
        return frames
    seen = [((f.source_mac, f.destination_mac), f.time, f.ip) for f in own if f.ip]
    read = {id(frame): packet for frame, packet in zip(own, put_together(seen), strict=True)}
    return [replace(frame, ip=read[id(frame)]) if id(frame) in read else frame for frame in frames]
