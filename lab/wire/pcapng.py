"""From the captures' spool to pcapng files that Wireshark reads (draft-ietf-opsawg-pcapng).

A spool is what the kernel's ring held, block after block (``ring``), between a header and a trailer
of our own: the frames of all segments in the order in which they came. It is whole up to its last
complete packet whenever its writer is killed, so it can be converted in the guest or, after the
guest's death, on the host. Nothing here captures, and nothing here looks into a frame.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from lab.errors import LabBroke
from lab.wire import vlan

SPOOL = "frames.spool"
"""Its name in the folder of the captures."""
APPLICATION = "callhome-lab"
SNAP_BYTES = 262144

LINKTYPE_ETHERNET = 1

_MAGIC = b"callhome-lab spool 2\n"
_HEADER_LENGTH = struct.Struct("=I")
_TRAILER = struct.Struct("=IIQQ")
_TRAILER_VERSION = 0xFFFFFFFF
"""Where a block of the ring has the version of its layout."""

_BLOCK = struct.Struct("=IIIIII")
"""struct tpacket_block_desc: version, private offset, status, packets, first packet, length."""
_FRAME = struct.Struct("=IIIIIIH")
"""struct tpacket3_hdr: next, seconds, nanoseconds, kept, length, status, start of the frame."""
_TAGGED = 1 << 4
"""TP_STATUS_VLAN_VALID: the frame's tag (IEEE 802.1Q) is in that header, and not in the frame."""
_TAG = struct.Struct("=IH")
_TAG_AT = 32
"""Tag control information and protocol identifier there."""
_DEVICE = struct.Struct("=I")
_DEVICE_AT = 52
"""The index of the device in struct sockaddr_ll, which follows that header."""

_SHB, _IDB, _ISB, _EPB = 0x0A0D0D0A, 1, 5, 6
_BYTE_ORDER = 0x1A2B3C4D
OPT_END, OPT_COMMENT = 0, 1
_SHB_USERAPPL, _IF_NAME, _IF_TSRESOL = 4, 2, 9
_ISB_IFRECV, _ISB_IFDROP = 4, 5
_ALL_SEGMENTS = b"the frames that were lost are those of all segments together"
_EPB_HEAD = struct.Struct("=IIIIIII")
_EPB_TAIL = struct.Struct("=II")
"""The word with the padding, and the length again."""


# The spool's own framing; ``capture`` writes it.


def spool_header(segments: Mapping[int, str]) -> bytes:
    """``segments``: the index of each device that frames arrive on to the segment it is a port of."""
    text = json.dumps({str(index): segment for index, segment in segments.items()}).encode()
    return _MAGIC + _HEADER_LENGTH.pack(len(text)) + text


def spool_trailer(lost: int) -> bytes:
    """Says that the spool is whole, and for how many frames the kernel had no room."""
    return _TRAILER.pack(_TRAILER_VERSION, 0, 0, lost)


@dataclass(slots=True)
class _Target:
    """The file of one segment, under way."""

    path: Path
    unfinished: Path
    file: FileIO
    packets: bytearray = field(default_factory=bytearray)
    """A block's packets of this segment; a lasting buffer, as fresh memory is dear in the guest."""
    filled: int = 0
    count: int = 0
    last_ns: int = 0


def convert(spool: Path) -> dict[str, int]:
    """Turn a spool into ``<segment>.pcapng`` for each segment beside it, and remove it.

    Returns how many frames each has. The new files appear under their names only when all are
    complete.
    """
    targets: dict[str, _Target] = {}
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(spool.open("rb", buffering=0))
        segments = _read_header(source, spool)
        for segment in dict.fromkeys(segments.values()):
            path = spool.with_name(f"{segment}.pcapng")
            unfinished = path.with_suffix(".pcapng.part")
            # By the end it has its name, or is of no use.
            stack.callback(unfinished.unlink, missing_ok=True)
            file = stack.enter_context(unfinished.open("wb", buffering=0))
            _write(file, section_header() + interface(segment))
            targets[segment] = _Target(path, unfinished, file)
        by_device = {index: targets[segment] for index, segment in segments.items()}
        _convert_blocks(source, by_device, targets)
        for target in targets.values():
            target.unfinished.replace(target.path)
    spool.unlink()
    return {segment: target.count for segment, target in targets.items()}


def convert_once(spool: Path) -> None:
    """Convert a spool that several processes may want to convert: the later ones wait, and find it done.

    Whoever takes a standing lab down is one, and the lab's supervisor is another.
    """
    try:
        source = spool.open("rb")
    except FileNotFoundError:
        return
    with source:
        # Where a file system has no locks, nobody can wait.
        with contextlib.suppress(OSError):
            fcntl.flock(source, fcntl.LOCK_EX)
        if spool.exists():
            convert(spool)


def _read_header(source: FileIO, spool: Path) -> dict[int, str]:
    if source.read(len(_MAGIC)) != _MAGIC:
        raise LabBroke(f"{spool} is not a capture of this lab")
    (length,) = _HEADER_LENGTH.unpack(source.read(_HEADER_LENGTH.size))
    return {int(index): segment for index, segment in json.loads(source.read(length)).items()}


def _convert_blocks(
    source: FileIO, by_device: Mapping[int, _Target], targets: Mapping[str, _Target]
) -> None:
    head = memoryview(bytearray(_BLOCK.size))
    block = memoryview(head)
    while source.readinto(head) == _BLOCK.size:
        version, _, _, count, first, length = _BLOCK.unpack(head)
        if version == _TRAILER_VERSION:
            *_, lost = _TRAILER.unpack(head)
            for target in targets.values():
                _write(target.file, _statistics(target.last_ns, target.count, lost))
            return

        if len(block) < length:
            block = memoryview(bytearray(length))
            for target in targets.values():
                target.packets = bytearray(length)
        # The last block of a killed writer may be cut off.
        got = _BLOCK.size + source.readinto(block[_BLOCK.size : length])
        _enhance(block[:got], count, first, by_device)
        for target in targets.values():
            with memoryview(target.packets) as packets:
                _write(target.file, packets[: target.filled])
            target.filled = 0


def _enhance(block: memoryview, count: int, start: int, by_device: Mapping[int, _Target]) -> None:
    """Write a block's packets as Enhanced Packet Blocks into the buffers of their segments.

    The hot loop. They fit, as the kernel's own header of a frame is longer than theirs.
    """
    unpack, head, tail = _FRAME.unpack_from, _EPB_HEAD.pack_into, _EPB_TAIL.pack_into
    end = len(block)
    for _ in range(count):
        if start + _DEVICE_AT + _DEVICE.size > end:
            break
        following, seconds, nanoseconds, kept, length, status, offset = unpack(block, start)
        begin = start + offset
        if begin + kept > end:
            break

        # What went up to a bridge itself has come in by one of its ports.
        if target := by_device.get(_DEVICE.unpack_from(block, start + _DEVICE_AT)[0]):
            frame: memoryview | bytes = block[begin : begin + kept]
            if status & _TAGGED:
                frame = vlan.tagged(frame, *_TAG.unpack_from(block, start + _TAG_AT))
                kept, length = kept + 4, length + 4
            time_ns = target.last_ns = seconds * 1_000_000_000 + nanoseconds
            total = 32 + (kept + 3 & ~3)
            packets, to = target.packets, target.filled
            head(packets, to, _EPB, total, 0, time_ns >> 32, time_ns & 0xFFFFFFFF, kept, length)
            data = to + _EPB_HEAD.size
            # The padding first, as zeros, where the data then covers what is not padding.
            target.filled = to + total
            tail(packets, target.filled - _EPB_TAIL.size, 0, total)
            packets[data : data + kept] = frame
            target.count += 1
        start += following


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


def _statistics(time_ns: int, received: int, lost: int) -> bytes:
    comment = option(OPT_COMMENT, _ALL_SEGMENTS) if lost else b""
    body = (
        struct.pack("=III", 0, time_ns >> 32, time_ns & 0xFFFFFFFF)
        + comment
        + option(_ISB_IFRECV, struct.pack("=Q", received + lost))
        + option(_ISB_IFDROP, struct.pack("=Q", lost))
        + option(OPT_END, b"")
    )
    return block(_ISB, body)


def option(code: int, value: bytes) -> bytes:
    return struct.pack("=HH", code, len(value)) + value + bytes(-len(value) & 3)


def block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return struct.pack("=II", kind, total) + body + struct.pack("=I", total)
