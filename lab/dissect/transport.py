"""UDP and TCP: ports, and of TCP the state of each connection, for numbers that begin at 0."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.dissect.anatomy import Anatomy
from lab.wire.decode import Packet

_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
_FLAG_TEXTS = tuple(
    ", ".join(name for bit, name in enumerate(_FLAGS) if number >> bit & 1) or "none"
    for number in range(256)
)
_FIN, _SYN, _ACK = 0x01, 0x02, 0x10
_WRAP = 1 << 32
_HALF = 1 << 31
_MSS, _SCALE = 2, 3
_MOST_SCALE = 14
_HEADER = 20


@dataclass(slots=True)
class TalkSide:
    """What one end of a TCP connection has said."""

    base: int
    """The sequence number that is shown as 0."""
    expected: int
    """The number of the next byte."""
    scale: int = -1
    """Of its windows (RFC 7323); -1 if its SYN was not seen."""
    kind: str = ""
    """What its bytes are: ``TLS``, ``HTTP``, ``other``; empty until something was said."""
    pending: bytearray = field(default_factory=bytearray)
    """The beginning of a record or a head that has not come whole."""
    handshake: bytearray = field(default_factory=bytearray)
    """The beginning of a message of TLS's handshake."""
    is_encrypted: bool = False
    """Whether its messages of TLS's handshake are, by ChangeCipherSpec."""
    body_left: int = 0
    """Bytes of an HTTP body that are still to come; -1 if its end shows itself."""
    is_torn: bool = False
    """Whether bytes are missing, and no record or head has begun since."""

    def tear(self) -> None:
        """Forget what has come in part: the rest of it will not come in order."""
        self.pending.clear()
        self.handshake.clear()
        self.body_left = 0
        self.is_torn = True


@dataclass(slots=True)
class Talk:
    """A TCP connection on one wire."""

    client: tuple[str, int]
    """Address and port of who was seen first."""
    sides: dict[tuple[str, int], TalkSide] = field(default_factory=dict)
    version: str = ""
    """Of TLS, once the server has chosen."""
    methods: list[str] = field(default_factory=list)
    """Of HTTP requests that no answer has come to."""


@dataclass(slots=True)
class Talks:
    """All TCP connections of a capture."""

    live: dict[tuple[object, ...], Talk] = field(default_factory=dict)

    def of(self, place: tuple[str, int], packet: Packet) -> Talk:
        """The connection that a packet is of; a SYN with another number begins a new one."""
        near, far = _ends(packet)
        key = (place, *sorted((near, far)))
        talk = self.live.get(key)
        if packet.is_bare_syn and talk is not None:
            side = talk.sides.get(near)
            if side is None or side.base != packet.tcp_sequence:
                talk = None
        if talk is None:
            talk = self.live[key] = Talk(near)
        return talk


def _ends(packet: Packet) -> tuple[tuple[str, int], tuple[str, int]]:
    return (packet.source, packet.source_port), (packet.destination, packet.destination_port)


def udp(anatomy: Anatomy, packet: Packet) -> None:
    source, destination = packet.source_port, packet.destination_port
    size = len(packet.payload)
    anatomy.say("UDP", f"{source} → {destination} Len={size}")
    anatomy.add(
        "UDP",
        f"User Datagram Protocol, {source} → {destination}",
        ("Source port", str(source)),
        ("Destination port", str(destination)),
        ("Length", str(size + 8)),
    )


def tcp(anatomy: Anatomy, packet: Packet, talk: Talk) -> bytes:
    """The header; what the segment carries that is new. Of a side with a gap before it: ``TalkSide.tear``."""
    near, far = _ends(packet)
    body, flags, size = packet.body, packet.tcp_flags, len(packet.payload)
    sequence = packet.tcp_sequence
    side = talk.sides.get(near)
    if side is None:
        side = talk.sides[near] = TalkSide(sequence, sequence)
    other = talk.sides.get(far)
    options = _options(body)
    window = body[14] << 8 | body[15]
    if flags & _SYN:
        side.scale = options[_SCALE][0] if options.get(_SCALE) else 0
    elif side.scale > 0 and other is not None and other.scale >= 0:
        window <<= min(side.scale, _MOST_SCALE)
    new, remark = _follow(side, packet)

    shown = (sequence - side.base) % _WRAP
    info = f"{remark}{near[1]} → {far[1]} [{_FLAG_TEXTS[flags]}] Seq={shown}"
    fields = [
        ("Source port", str(near[1])),
        ("Destination port", str(far[1])),
        ("Sequence number", f"{shown} (raw {sequence})"),
    ]
    if flags & _ACK:
        acknowledged = int.from_bytes(body[8:12], "big")
        relative = (acknowledged - other.base) % _WRAP if other is not None else 1
        info += f" Ack={relative}"
        fields.append(("Acknowledgment number", f"{relative} (raw {acknowledged})"))
    info += f" Win={window} Len={size}"
    fields += [("Flags", _FLAG_TEXTS[flags]), ("Window", str(window))]
    if flags & _SYN and len(options.get(_MSS, b"")) == 2:
        most = int.from_bytes(options[_MSS], "big")
        info += f" MSS={most}"
        fields.append(("Maximum segment size", str(most)))
    fields.append(("Payload", f"{size} bytes"))
    anatomy.say("TCP", info)
    anatomy.add("TCP", f"Transmission Control Protocol, {near[1]} → {far[1]}", *fields)
    return new


def _follow(side: TalkSide, packet: Packet) -> tuple[bytes, str]:
    """What of a segment is new, and what Wireshark remarks of one that does not follow the one before."""
    payload, flags, sequence = packet.payload, packet.tcp_flags, packet.tcp_sequence
    end = (sequence + len(payload) + bool(flags & _SYN) + (flags & _FIN)) % _WRAP
    ahead = (sequence - side.expected) % _WRAP
    if ahead == 0:
        side.expected = end
        return payload, ""
    if ahead < _HALF:
        side.tear()
        side.expected = end
        return payload, "[TCP Previous segment not captured] "
    new = payload[_WRAP - ahead :]
    if new:
        side.expected = end
    return new, "" if new or end == sequence else "[TCP Retransmission] "


def _options(body: bytes) -> dict[int, bytes]:
    end = min((body[12] >> 4) * 4, len(body))
    found: dict[int, bytes] = {}
    at = _HEADER
    while at < end and body[at]:
        if body[at] == 1:
            at += 1
            continue
        size = body[at + 1] if at + 1 < end else 0
        if size < 2 or at + size > end:
            break
        found[body[at]] = body[at + 2 : at + size]
        at += size
    return found
