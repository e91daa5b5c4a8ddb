"""L2TPv2 (RFC 2661): headers, control messages and their AVPs as they stand on the wire; nothing judged.

``parse`` is the reader of captures: it takes what it can read and says nothing of the rest. ``lab.l2tp``
reads the same headers and AVPs strictly, from ``header`` and ``walk``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lab.wire.l2tp_codes import Avp, ControlType

__all__ = [
    "PORT",
    "Avp",
    "ControlType",
    "L2tpHeader",
    "L2tpMessage",
    "RawAvp",
    "header",
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


class L2tpHeader(NamedTuple):
    """What stands before the body of a datagram (RFC 2661 3.1); 0 for what is not there."""

    flags: int
    length: int
    tunnel_id: int
    session_id: int
    ns: int
    nr: int
    body: bytes
    """Behind the padding, and up to the length if there is one."""


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
    ppp: bytes
    """The PPP frame of a data message."""

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


def parse(data: bytes) -> L2tpMessage | None:
    """Read an L2TPv2 datagram; None if it is cut short or of another version."""
    head = header(data)
    if head is None:
        return None
    if head.flags & CONTROL:
        # A vendor's own AVPs and hidden ones are passed over.
        avps = tuple(
            (avp.kind, avp.value)
            for avp in walk(head.body)
            if not avp.head & HIDDEN and avp.vendor == 0
        )
        return L2tpMessage(head.tunnel_id, head.session_id, True, head.ns, avps, b"")
    return L2tpMessage(head.tunnel_id, head.session_id, False, head.ns, (), head.body)


def header(data: bytes) -> L2tpHeader | None:
    """Read the header of an L2TPv2 datagram; None if it is cut short or of another version."""
    if len(data) < 6:
        return None
    flags = _word(data, 0)
    if flags & 0x000F != VERSION:
        return None
    at, length = 2, 0
    if flags & HAS_LENGTH:
        length = _word(data, 2)
        data = data[:length]
        at = 4
    sequenced = flags & HAS_SEQUENCE
    if len(data) < at + 4 + (4 if sequenced else 0) + (2 if flags & HAS_OFFSET else 0):
        return None

    tunnel_id, session_id = _word(data, at), _word(data, at + 2)
    at += 4
    ns = nr = 0
    if sequenced:
        ns, nr = _word(data, at), _word(data, at + 2)
        at += 4
    if flags & HAS_OFFSET:
        at += 2 + _word(data, at)
    return L2tpHeader(flags, length, tunnel_id, session_id, ns, nr, data[at:])


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
