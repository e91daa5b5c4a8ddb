"""L2TPv2 (RFC 2661): headers, control messages and their AVPs as they stand on the wire; nothing judged.

``parse`` is the reader of captures: it takes what it can read and says nothing of the rest. ``lab.l2tp``,
which must answer what is wrong, begins with ``control_datagram`` and ``walk``.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from lab.wire.l2tp_codes import Avp, ControlType

if TYPE_CHECKING:
    from lab.wire.packet import Packet

__all__ = [
    "PORT",
    "Avp",
    "ControlDatagram",
    "ControlType",
    "L2tpMessage",
    "RawAvp",
    "control_datagram",
    "of",
    "parse",
    "walk",
]

PORT = 1701

CONTROL, HAS_LENGTH, HAS_SEQUENCE, HAS_OFFSET, PRIORITY = 0x8000, 0x4000, 0x0800, 0x0200, 0x0100
"""Bits of the first word of a header (RFC 2661 3.1)."""
VERSION = 2
MANDATORY, HIDDEN, RESERVED, LENGTH = 0x8000, 0x4000, 0x3C00, 0x03FF
"""Bits of the first word of an AVP (RFC 2661 4.1)."""
AVP_HEAD = 6
CONTROL_HEAD = 12
"""Octets before the first AVP."""
_CONTROL_HEAD = struct.Struct("!6H")
_LAYOUT = HAS_LENGTH | HAS_SEQUENCE | HAS_OFFSET | PRIORITY


class ControlDatagram(NamedTuple):
    """The header of a control message (RFC 2661 3.1), and its AVPs; none acknowledge (ZLB)."""

    flags: int
    length: int
    tunnel_id: int
    session_id: int
    ns: int
    nr: int
    body: bytes

    @property
    def well_formed(self) -> bool:
        """It has numbers, neither offset nor priority, and the length that it says."""
        layout_is_right = self.flags & _LAYOUT == HAS_LENGTH | HAS_SEQUENCE
        return layout_is_right and self.length == CONTROL_HEAD + len(self.body)


class RawAvp(NamedTuple):
    """An AVP as it stands on the wire (RFC 2661 4.1)."""

    head: int
    vendor: int
    kind: int
    value: bytes


@dataclass(slots=True)
class L2tpMessage:
    """A datagram of an L2TP tunnel."""

    tunnel_id: int
    session_id: int
    control: bool
    sequence: int
    """Ns, of control messages."""
    avps: tuple[tuple[int, bytes], ...]
    raw: bytes = field(default=b"", repr=False)
    """What a data message was read from, such as a frame."""
    ppp_from: int = 0
    ppp_to: int = 0

    @property
    def ppp(self) -> bytes:
        """The PPP frame of a data message."""
        return self.raw[self.ppp_from : self.ppp_to]

    @property
    def control_type(self) -> int:
        """0 for data, and for an acknowledgement without a body (ZLB)."""
        return self.number(Avp.message_type)

    def avp(self, kind: int) -> bytes:
        return next((value for found, value in self.avps if found == kind), b"")

    def number(self, kind: int) -> int:
        return int.from_bytes(self.avp(kind)[:2], "big")

    @property
    def result(self) -> str:
        """Result code, error code and the text beside them (RFC 2661 4.4.2)."""
        raw = self.avp(Avp.result_code)
        if not raw:
            return ""
        text = raw[4:].decode("ascii", "replace")
        codes = f"result {int.from_bytes(raw[:2], 'big')}"
        if len(raw) >= 4:
            codes += f", error {int.from_bytes(raw[2:4], 'big')}"
        return f"{codes}: {text}" if text else codes


def parse(data: bytes, begin: int = 0, end: int = sys.maxsize) -> L2tpMessage | None:
    """Read the L2TPv2 datagram between two places; None if it is cut short or of another version."""
    end = min(end, len(data))
    if end - begin < 6:
        return None
    flags = _word(data, begin)
    if flags & 0x000F != VERSION:
        return None

    control, has_length = bool(flags & CONTROL), bool(flags & HAS_LENGTH)
    has_sequence, has_offset = bool(flags & HAS_SEQUENCE), bool(flags & HAS_OFFSET)
    at = begin + 2
    if has_length:
        end = min(end, begin + _word(data, at))
        at += 2
    if end < at + 4 + 4 * has_sequence + 2 * has_offset:
        return None

    tunnel_id, session_id = _word(data, at), _word(data, at + 2)
    at += 4
    sequence = 0
    if has_sequence:
        sequence = _word(data, at)
        at += 4
    if has_offset:
        at += 2 + _word(data, at)

    if control:
        # A vendor's own AVPs and hidden ones are passed over.
        found = walk(data[at:end])
        avps = tuple((a.kind, a.value) for a in found if not (a.head & HIDDEN or a.vendor))
        return L2tpMessage(tunnel_id, session_id, True, sequence, avps)
    return L2tpMessage(tunnel_id, session_id, False, sequence, (), data, min(at, end), end)


def of(packet: Packet) -> L2tpMessage | None:
    """The datagram that a packet carries, as ``parse`` reads it."""
    return parse(packet.raw, packet.payload_from, packet.payload_to)


def control_datagram(data: bytes) -> ControlDatagram | None:
    """Read a control message; None for data, another version, or what is cut short."""
    if len(data) < CONTROL_HEAD:
        return None
    flags, length, tunnel_id, session_id, ns, nr = _CONTROL_HEAD.unpack_from(data)
    if flags & (CONTROL | 0x000F) != CONTROL | VERSION:
        return None
    return ControlDatagram(flags, length, tunnel_id, session_id, ns, nr, data[CONTROL_HEAD:])


def walk(body: bytes) -> Iterator[RawAvp]:
    """The AVPs of a control message, up to the first that does not fit into it."""
    at = 0
    while len(body) - at >= AVP_HEAD:
        head = _word(body, at)
        end = at + (head & LENGTH)
        if end < at + AVP_HEAD or end > len(body):
            return
        yield RawAvp(head, _word(body, at + 2), _word(body, at + 4), body[at + AVP_HEAD : end])
        at = end


def _word(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
