"""The exchange's capture, read back: each call's PPP frames, and the bytes that were none.

What ``dialled`` writes, as ``decode`` reads the wires; nothing judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabBroke
from lab.wire import decode, ppp
from lab.wire._scapy import RawPcapNgReader, Scapy_Exception
from lab.wire.decode import Frame, Packet
from lab.wire.dialled import FRAMES, LINKTYPE_PPP_WITH_DIR, OUTBOUND, Fault

_SEGMENT = Path(FRAMES).stem
_MAGIC = b"\x0a\x0d\x0d\x0a"


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
    ppp: ppp.Frame | None
    """None where it was no frame."""
    data: Packet | None
    """The IP packet in the PPP frame."""
    fault: Fault | None = None
    """Why it was no frame."""


def read(path: Path) -> list[Carried]:
    """Read the capture whole; raises LabBroke if it is missing or broken."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC:
                raise LabBroke(f"{path} is not a capture that can be read: no pcapng file")
        with RawPcapNgReader(str(path)) as reader:
            return [_carried(number, *entry) for number, entry in enumerate(reader, 1)]
    except FileNotFoundError as error:
        raise LabBroke(
            f"the capture of the calls is missing: {path}",
            hint="the run did not get as far as the telephone; its error is in record.json",
        ) from error
    except (Scapy_Exception, EOFError) as error:
        raise LabBroke(f"{path} is not a capture that can be read: {error}") from error


def _carried(number: int, data: bytes, metadata: Any) -> Carried:
    _, call, ends, *_ = metadata.ifname.decode().split()
    ticks = (metadata.tshigh << 32) | metadata.tslow
    is_frame = metadata.linktype == LINKTYPE_PPP_WITH_DIR
    time = ticks / metadata.tsresol
    if not is_frame:
        fault = Fault(metadata.comments[0].decode())
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
    fault: Fault | None = None,
) -> Carried:
    """One entry of the capture: a PPP frame from its address on; with ``fault``, bytes that are no frame."""
    frame = Frame(_SEGMENT, number, time, content, b"", b"", 0, None)
    inside = ppp.parse(content) if fault is None else None
    packet = decode.parse_ip(inside.body) if inside and inside.protocol == ppp.IP else None
    return Carried(call, ends, frame, outgoing, inside, packet, fault)
