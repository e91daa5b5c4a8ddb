"""From the capture's spool to a pcapng file that Wireshark reads (draft-ietf-opsawg-pcapng).

A spool is what the kernel's ring held, block after block (Linux networking/packet_mmap.rst,
TPACKET_V3), between a header and a trailer of our own. It is whole up to its last complete packet
whenever its writer is killed, so it can be converted in the guest or, after the guest's death, on
the host. Nothing here captures, and nothing here looks into a frame.
"""

from __future__ import annotations

import struct
from io import FileIO
from pathlib import Path

from lab.errors import LabError

SPOOL_SUFFIX = ".spool"
APPLICATION = "callhome-lab"
SNAP_BYTES = 262144

LINKTYPE_ETHERNET = 1

_MAGIC = b"callhome-lab spool 1\n"
_NAME_LENGTH = struct.Struct("=H")
_TRAILER = struct.Struct("=IIQQ")
_TRAILER_VERSION = 0xFFFFFFFF
"""Where a block of the ring has the version of its layout."""

MAX_BLOCK_BYTES = 1 << 18
"""The size of the ring's blocks."""
BLOCK_LENGTH_AT = 20
_BLOCK = struct.Struct("=IIIIII")
"""struct tpacket_block_desc: version, private offset, status, packets, first packet, length."""
_FRAME = struct.Struct("=IIIIIIH")
"""struct tpacket3_hdr: next, seconds, nanoseconds, kept, length, status, start of the frame."""

_SHB, _IDB, _ISB, _EPB = 0x0A0D0D0A, 1, 5, 6
_BYTE_ORDER = 0x1A2B3C4D
OPT_END, OPT_COMMENT = 0, 1
_SHB_USERAPPL, _IF_NAME, _IF_TSRESOL = 4, 2, 9
_ISB_IFRECV, _ISB_IFDROP = 4, 5
_EPB_HEAD = struct.Struct("=IIIIIII")
_EPB_TAIL = struct.Struct("=II")
"""The word with the padding, and the length again."""


# The spool's own framing; ``capture`` writes it.


def spool_header(segment: str) -> bytes:
    name = segment.encode()
    return _MAGIC + _NAME_LENGTH.pack(len(name)) + name


def spool_trailer(received: int, dropped: int) -> bytes:
    """Says that the spool is whole, and what the kernel counted."""
    return _TRAILER.pack(_TRAILER_VERSION, 0, received, dropped)


def convert(spool: Path) -> Path:
    """Turn ``<segment>.spool`` into ``<segment>.pcapng`` beside it, and remove it.

    The new file appears under its name only when it is complete.
    """
    target = spool.with_suffix(".pcapng")
    unfinished = spool.with_suffix(".pcapng.part")
    with spool.open("rb", buffering=0) as source, unfinished.open("wb", buffering=0) as file:
        _write(file, section_header() + interface(_read_header(source, spool)))
        _convert_blocks(source, file)

    unfinished.replace(target)
    spool.unlink()
    return target


def convert_all(wire_dir: Path) -> tuple[Path, ...]:
    """Convert every spool that is left in a directory, as after the death of the guest."""
    return tuple(convert(spool) for spool in sorted(wire_dir.glob(f"*{SPOOL_SUFFIX}")))


def _read_header(source: FileIO, spool: Path) -> str:
    if source.read(len(_MAGIC)) != _MAGIC:
        raise LabError(f"{spool} is not a capture of this lab")
    (length,) = _NAME_LENGTH.unpack(source.read(_NAME_LENGTH.size))
    return source.read(length).decode()


def _convert_blocks(source: FileIO, file: FileIO) -> None:
    """Block after block through two lasting buffers: fresh memory is dear in User-Mode Linux."""
    block = memoryview(bytearray(MAX_BLOCK_BYTES))
    packets = memoryview(bytearray(MAX_BLOCK_BYTES))
    head = block[: _BLOCK.size]
    last_ns = 0
    while source.readinto(head) == _BLOCK.size:
        version, _, _, count, first, length = _BLOCK.unpack(head)
        if version == _TRAILER_VERSION:
            _, _, received, dropped = _TRAILER.unpack(head)
            _write(file, _statistics(last_ns, received, dropped))
            return

        # The last block of a killed writer may be cut off.
        got = _BLOCK.size + source.readinto(block[_BLOCK.size : length])
        size, last_ns = _enhance(block[:got], count, first, packets)
        _write(file, packets[:size])


def _enhance(block: memoryview, count: int, start: int, packets: memoryview) -> tuple[int, int]:
    """Write a block's packets as Enhanced Packet Blocks; return their size and the last's time.

    The hot loop. They fit, as the kernel's own header of a frame is longer than theirs.
    """
    unpack, head, tail = _FRAME.unpack_from, _EPB_HEAD.pack_into, _EPB_TAIL.pack_into
    end = len(block)
    time_ns = 0
    to = 0
    for _ in range(count):
        if start + _FRAME.size > end:
            break
        following, seconds, nanoseconds, kept, length, _, offset = unpack(block, start)
        begin = start + offset
        if begin + kept > end:
            break

        time_ns = seconds * 1_000_000_000 + nanoseconds
        total = 32 + (kept + 3 & ~3)
        head(packets, to, _EPB, total, 0, time_ns >> 32, time_ns & 0xFFFFFFFF, kept, length)
        data = to + _EPB_HEAD.size
        # The padding first, as zeros, where the data then covers what is not padding.
        to += total
        tail(packets, to - _EPB_TAIL.size, 0, total)
        packets[data : data + kept] = block[begin : begin + kept]
        start += following

    return to, time_ns


def _write(file: FileIO, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


# The pcapng framing, for ``dialled`` too.


def section_header() -> bytes:
    """The block that begins a file."""
    application = option(_SHB_USERAPPL, APPLICATION.encode())
    section = struct.pack("=IHHq", _BYTE_ORDER, 1, 0, -1) + application + option(OPT_END, b"")
    return block(_SHB, section)


def interface(name: str, linktype: int = LINKTYPE_ETHERNET, options: bytes = b"") -> bytes:
    """An Interface Description Block with times in nanoseconds."""
    return block(
        _IDB,
        struct.pack("=HHI", linktype, 0, SNAP_BYTES)
        + options
        + option(_IF_NAME, name.encode())
        + option(_IF_TSRESOL, b"\x09")
        + option(OPT_END, b""),
    )


def packet(number: int, time_ns: int, data: bytes, options: bytes = b"") -> bytes:
    """An Enhanced Packet Block of the interface with this number, in the order of their blocks."""
    return block(
        _EPB,
        struct.pack("=IIIII", number, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), len(data))
        + data
        + bytes(-len(data) & 3)
        + (options + option(OPT_END, b"") if options else b""),
    )


def _statistics(time_ns: int, received: int, dropped: int) -> bytes:
    body = (
        struct.pack("=III", 0, time_ns >> 32, time_ns & 0xFFFFFFFF)
        + option(_ISB_IFRECV, struct.pack("=Q", received))
        + option(_ISB_IFDROP, struct.pack("=Q", dropped))
        + option(OPT_END, b"")
    )
    return block(_ISB, body)


def option(code: int, value: bytes) -> bytes:
    return struct.pack("=HH", code, len(value)) + value + bytes(-len(value) & 3)


def block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return struct.pack("=II", kind, total) + body + struct.pack("=I", total)
