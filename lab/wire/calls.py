"""The exchange's capture, read back: each call's PPP frames, and the bytes that were none.

What ``dialled`` writes, as ``decode`` reads the wires; nothing judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.wire import decode, fragments, ppp
from lab.wire.decode import Frame, Packet
from lab.wire.dialled import FRAMES, LINKTYPE_PPP_WITH_DIR, OUTBOUND, FrameFault
from lab.wire.ppp import PppFrame

_SEGMENT = Path(FRAMES).stem


@dataclass(slots=True)
class Carried:
    """Something that came to an end of a call."""

    call: int
    """The exchange's number of it, from 1."""
    ends: str
    """The caller's line and the called one: ``hmc-lig-1``."""
    frame: Frame
    """Number and time are the capture's; of PPP, ``data`` begins with address and control."""
    outgoing: bool
    """From the caller."""
    ppp: PppFrame | None
    """None where it was no frame."""
    data: Packet | None
    """The IP packet in the PPP frame."""
    fault: FrameFault | None = None
    """Why it was no frame."""


def read(path: Path) -> list[Carried]:
    """Read the capture whole; raises LabBroke if it is missing or broken."""
    return list(carried_in(path))


def carried_in(path: Path) -> Iterator[Carried]:
    """The same one by one, as far as they can be read."""
    return (_carried(*packet) for packet in decode.read_packets(path, "the calls"))


def joined(carried: list[Carried]) -> list[Carried]:
    """What calls carried, fragments put together as the end of the call that has them would do it."""
    own = [(item, item.data) for item in carried if item.data and item.data.is_fragment]
    if not own:
        return carried
    seen = [((item.call, item.outgoing), item.frame.time, data) for item, data in own]
    read = dict(zip((id(item) for item, _ in own), fragments.put_together(seen), strict=True))
    return [replace(item, data=read[id(item)]) if id(item) in read else item for item in carried]


def _carried(number: int, time: float, data: bytes, metadata: Any) -> Carried:
    _, call, ends, *_ = metadata.ifname.decode().split()
    if metadata.linktype != LINKTYPE_PPP_WITH_DIR:
        fault = FrameFault(metadata.comments[0].decode())
        outgoing = metadata.direction == OUTBOUND
        return read_carried(number, time, data, int(call), ends, outgoing=outgoing, fault=fault)
    return read_carried(number, time, data[1:], int(call), ends, outgoing=data[0] != 0)


def read_carried(
    number: int,
    time: float,
    content: bytes,
    call: int,
    ends: str,
    *,
    outgoing: bool,
    fault: FrameFault | None = None,
) -> Carried:
    """One entry of the capture: a PPP frame from its address on; with ``fault``, bytes that are no frame."""
    frame = Frame(_SEGMENT, number, time, content, b"", b"", 0, None)
    inside = ppp.parse(content) if fault is None else None
    packet = inside.ip if inside else None
    return Carried(call, ends, frame, outgoing, inside, packet, fault)
