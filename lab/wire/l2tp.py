"""L2TPv2 (RFC 2661): data headers and control messages with their AVPs; nothing judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

PORT = 1701


class ControlType(IntEnum):
    """Those that the lab reads (RFC 2661 3.2)."""

    SCCRQ = 1
    SCCCN = 3
    StopCCN = 4
    ICRQ = 10
    CDN = 14


class Avp(IntEnum):
    """The AVPs that the lab reads (RFC 2661 4.4)."""

    message_type = 0
    result_code = 1
    assigned_tunnel_id = 9
    assigned_session_id = 14


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
    if len(data) < 6:
        return None
    flags = data[0] << 8 | data[1]
    if flags & 0x000F != 2:
        return None

    control, has_length = bool(flags & 0x8000), bool(flags & 0x4000)
    has_sequence, has_offset = bool(flags & 0x0800), bool(flags & 0x0200)
    at = 2
    if has_length:
        data = data[: data[2] << 8 | data[3]]
        at += 2
    if len(data) < at + 4 + 4 * has_sequence + 2 * has_offset:
        return None

    tunnel_id, session_id = _word(data, at), _word(data, at + 2)
    at += 4
    sequence = 0
    if has_sequence:
        sequence = _word(data, at)
        at += 4
    if has_offset:
        at += 2 + _word(data, at)

    rest = data[at:]
    if control:
        return L2tpMessage(tunnel_id, session_id, True, sequence, tuple(_avps(rest)), b"")
    return L2tpMessage(tunnel_id, session_id, False, sequence, (), rest)


def _word(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _avps(data: bytes) -> list[tuple[int, bytes]]:
    """The IETF's own AVPs in clear; a vendor's and a hidden one are passed over."""
    found = []
    while len(data) >= 6:
        head = _word(data, 0)
        length = head & 0x03FF
        if length < 6 or length > len(data):
            break
        hidden, vendor = bool(head & 0x4000), _word(data, 2)
        if not hidden and vendor == 0:
            found.append((_word(data, 4), data[6:length]))
        data = data[length:]
    return found
