"""PPP over an asynchronous line (RFC 1662): frames out of a byte stream, and into pcapng.

What is no valid frame is kept as well, as it was on the line: nothing that arrived is left out. A
frame loses only what carries no meaning: flags, escapes and its checksum, once that was right.
Protocols inside the frames are ``ppp``'s business; lines and calls are not known here.
"""

from __future__ import annotations

import re
import struct
from binascii import crc_hqx
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import count
from typing import BinaryIO

from lab.wire import pcapng

FRAMES = "pstn.pcapng"
"""The exchange's capture in a run directory's ``wire`` folder."""

LINKTYPE_PPP_WITH_DIR = 204
"""A byte of direction, 0 for received by this host and another for sent, then PPP (tcpdump.org)."""
LINKTYPE_USER0 = 147
"""For private use: here the bytes that are no frame, without any header."""

FLAG, ESCAPE = 0x7E, 0x7D
MAX_FRAME_BYTES = 1 << 16
"""More between two flags is no frame (an MRU has 16 bits), and is given out in parts."""

_IF_SPEED = 8
_EPB_FLAGS = 2
INBOUND, OUTBOUND = 1, 2
_CRC_ERROR = 1 << 24
"""Among the flags of an Enhanced Packet Block, with the directions."""

_MIN_FRAME_BYTES = 4
"""RFC 1662 3.1: less than that between two flags is no frame."""
_GOOD_FCS = 0x1D0F
"""What is left after a frame and its checksum: RFC 1662 C.2's 0xF0B8 with the bits reversed."""
_REVERSED = bytes(int(f"{number:08b}"[::-1], 2) for number in range(256))
_ESCAPED = re.compile(rb"\x7d(.)", re.DOTALL)
_CONTROLS = bytes(range(0x20))
_ALL_CONTROLS = 0xFFFFFFFF


class FrameFault(StrEnum):
    """Why bytes are no frame (RFC 1662 4.3); in words for a comment in the capture."""

    outside = "before the first flag"
    short = "fewer than four bytes between flags"
    aborted = "aborted: an escape before the flag"
    checksum = "wrong checksum"
    long = "no flag for 65536 bytes"
    unfinished = "unfinished at the end of the call"


@dataclass(frozen=True, slots=True)
class Piece:
    """A frame without flags, escapes and checksum; or bytes as they were on the line, and why."""

    data: bytes
    fault: FrameFault | None = None


class Deframer:
    """One direction of a line: bytes in any portions, frames out."""

    def __init__(self) -> None:
        self._open = bytearray()
        self._in_frame = False

    def feed(self, data: bytes) -> list[Piece]:
        found = []
        if not self._in_frame:
            outside, flag, data = data.partition(b"\x7e")
            if outside:
                found.append(Piece(outside, FrameFault.outside))
            if not flag:
                return found
            self._in_frame = True

        *closed, rest = data.split(b"\x7e")
        for part in closed:
            if self._open:
                part = bytes(self._open) + part
                self._open.clear()
            if part:
                found.append(_piece(part))

        self._open += rest
        if len(self._open) > MAX_FRAME_BYTES:
            found.append(Piece(bytes(self._open), FrameFault.long))
            self._open.clear()
        return found

    def end(self) -> list[Piece]:
        """The line carries nothing more."""
        rest = bytes(self._open)
        self._open.clear()
        self._in_frame = False
        return [Piece(rest, FrameFault.unfinished)] if rest else []


def _piece(raw: bytes) -> Piece:
    """What was between two flags."""
    if raw[-1] == ESCAPE:
        return Piece(raw, FrameFault.aborted)
    if len(raw) < _MIN_FRAME_BYTES:
        return Piece(raw, FrameFault.short)

    frame = _unescape(raw)
    if not _is_right(frame):
        # A control character that stands there unescaped may have been put in on the way
        # (RFC 1662 4.2); whether it was depends on a map that the ends negotiate, so try.
        frame = _unescape(raw.translate(None, _CONTROLS))
    if not _is_right(frame):
        return Piece(raw, FrameFault.checksum)
    return Piece(frame[:-2])


def _unescape(raw: bytes) -> bytes:
    if ESCAPE not in raw:
        return raw
    return _ESCAPED.sub(lambda found: bytes((found[1][0] ^ 0x20,)), raw)


def _is_right(frame: bytes) -> bool:
    return (
        len(frame) >= _MIN_FRAME_BYTES
        and crc_hqx(frame.translate(_REVERSED), 0xFFFF) == _GOOD_FCS
    )  # fmt: skip


def fcs(frame: bytes) -> bytes:
    """The checksum as it follows the frame (RFC 1662 C.2), by way of a CRC with its bits reversed."""
    crc = crc_hqx(frame.translate(_REVERSED), 0xFFFF) ^ 0xFFFF
    return crc.to_bytes(2, "big").translate(_REVERSED)


def enframe(frame: bytes, accm: int = _ALL_CONTROLS) -> bytes:
    """A frame as it goes over the line, between two flags; bit n of ``accm``: escape character n."""
    escaped = {FLAG, ESCAPE, *(number for number in range(0x20) if accm >> number & 1)}
    out = bytearray((FLAG,))
    for byte in frame + fcs(frame):
        out += bytes((ESCAPE, byte ^ 0x20)) if byte in escaped else bytes((byte,))
    out.append(FLAG)
    return bytes(out)


class PcapngWriter:
    """Writes pcapng into an open file, block by block, so that what is written stays if we are killed.

    Give it a file without a buffer (``buffering=0``).
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._interfaces = count()
        self.write(pcapng.section_header())

    def interface(self, name: str, comment: str, linktype: int, rate_bit_s: int) -> int:
        """Begin an interface; returns its number."""
        options = pcapng.option(pcapng.OPT_COMMENT, comment.encode())
        options += pcapng.option(_IF_SPEED, struct.pack("=Q", rate_bit_s))
        self.write(pcapng.interface(name, linktype, options))
        return next(self._interfaces)

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[self._file.write(view) :]


class CallCapture:
    """The interfaces of one call in a capture, and the frames under way in both directions.

    Frames and other bytes have an interface each, as a link type says how all of its packets are
    to be read; the second comes into being only when there is something to put there.
    """

    def __init__(self, capture: PcapngWriter, name: str, comment: str, rate_bit_s: int) -> None:
        self._write = capture.write
        self._frames = capture.interface(name, comment, LINKTYPE_PPP_WITH_DIR, rate_bit_s)
        self._others = cache(
            lambda: capture.interface(f"{name} no frames", comment, LINKTYPE_USER0, rate_bit_s)
        )
        self._deframers = {True: Deframer(), False: Deframer()}

    def feed(self, data: bytes, time_ns: int, *, sent: bool) -> None:
        """Bytes that arrived; ``sent`` as the caller has it."""
        self._keep(self._deframers[sent].feed(data), time_ns, sent)

    def end(self, time_ns: int) -> None:
        for sent, deframer in self._deframers.items():
            self._keep(deframer.end(), time_ns, sent)

    def _keep(self, pieces: list[Piece], time_ns: int, sent: bool) -> None:
        for piece in pieces:
            if piece.fault is None:
                frame = bytes((sent,)) + piece.data
                self._write(pcapng.packet(self._frames, time_ns, frame))
                continue
            flags = OUTBOUND if sent else INBOUND
            if piece.fault is FrameFault.checksum:
                flags |= _CRC_ERROR
            options = pcapng.option(pcapng.OPT_COMMENT, piece.fault.encode())
            options += pcapng.option(_EPB_FLAGS, struct.pack("=I", flags))
            self._write(pcapng.packet(self._others(), time_ns, piece.data, options))
