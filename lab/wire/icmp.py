"""What ICMP says of other packets: why one did not arrive, and which (RFC 792, RFC 4443); and echoes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from socket import AF_INET, AF_INET6, inet_ntop

from lab.wire.decode import ICMP, ICMPV6, TCP, UDP, Ends, Packet

HEADER_BYTES = 8


class Reason(StrEnum):
    """Why a packet did not arrive, in words that follow the sender's name."""

    expired = "its time to live ran out"
    port_closed = "nobody listens on that port"
    forbidden = "it is forbidden by a rule"
    no_way = "there is no way there"
    too_big = "it is too big for the next link"


_REASONS_4 = {
    (3, 3): Reason.port_closed,
    (3, 4): Reason.too_big,
    **dict.fromkeys([(3, 9), (3, 10), (3, 13)], Reason.forbidden),
    **dict.fromkeys([(3, 0), (3, 1), (3, 5)], Reason.no_way),
    (11, 0): Reason.expired,
}
_REASONS_6 = {
    (1, 4): Reason.port_closed,
    (1, 1): Reason.forbidden,
    **dict.fromkeys([(1, 0), (1, 3)], Reason.no_way),
    (2, 0): Reason.too_big,
    (3, 0): Reason.expired,
}
_ECHO_REQUEST, _ECHO_REPLY = {ICMP: 8, ICMPV6: 128}, {ICMP: 0, ICMPV6: 129}


@dataclass(frozen=True, slots=True)
class IcmpError:
    """A packet did not arrive."""

    reporter: str
    """The address that says so."""
    reason: Reason
    about: Ends
    """Of the packet."""
    mtu: int = 0
    """Of the next link, of a packet that is too big."""


def read_error(packet: Packet) -> IcmpError | None:
    """What a packet says of another one; None if it is no such message, or one that says something else."""
    reasons = {ICMP: _REASONS_4, ICMPV6: _REASONS_6}.get(packet.protocol)
    body = packet.payload
    if reasons is None or packet.fragment_offset or len(body) < HEADER_BYTES:
        return None
    reason = reasons.get((body[0], body[1]))
    about = _quoted(body[HEADER_BYTES:]) if reason else None
    if reason is None or about is None:
        return None
    at, form = (6, "!H") if packet.protocol == ICMP else (4, "!I")
    mtu = struct.unpack_from(form, body, at)[0] if reason is Reason.too_big else 0
    return IcmpError(packet.source, reason, about, mtu)


def is_echo_request(packet: Packet) -> bool:
    return _is_of_kind(packet, _ECHO_REQUEST)


def is_echo_reply(packet: Packet) -> bool:
    return _is_of_kind(packet, _ECHO_REPLY)


def _is_of_kind(packet: Packet, kinds: dict[int, int]) -> bool:
    whole = not packet.fragment_offset and bool(packet.payload)
    return packet.protocol in kinds and whole and packet.payload[0] == kinds[packet.protocol]


def _quoted(data: bytes) -> Ends | None:
    """The ends of a packet of which the beginning is quoted; None if not even these are."""
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 20:
        size, protocol, family, span = (data[0] & 0x0F) * 4, data[9], AF_INET, slice(12, 20)
    elif version == 6 and len(data) >= 40:
        size, protocol, family, span = 40, data[6], AF_INET6, slice(8, 40)
    else:
        return None
    both = data[span]
    source, destination = (
        inet_ntop(family, half) for half in (both[: len(both) // 2], both[len(both) // 2 :])
    )
    ports = data[size : size + 4]
    near, far = (
        struct.unpack("!HH", ports) if protocol in (TCP, UDP) and len(ports) == 4 else (0, 0)
    )
    return source, destination, protocol, near, far
