"""The exchange's capture, read back: each call's PPP frames, and the bytes that were none.

What ``dialled`` writes, as ``decode`` reads the wires; nothing judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.wire import decode, ppp
from lab.wire._scapy import RawPcapNgReader, Scapy_Exception
from lab.wire.decode import Packet
from lab.wire.dialled import LINKTYPE_PPP_WITH_DIR, OUTBOUND, Fault

_MAGIC = b"\x0a\x0d\x0d\x0a"


@dataclass(slots=True)
class Heard:
    """Something that arrived at an end of a call."""

    call: int
    """The exchange's number of it, from 1."""
    number: int
    """In the capture, counted from 1 as Wireshark does."""
    time: float
    """Seconds since 1970 on the lab's clock."""
    sent: bool
    """By the caller; else by the called end."""
    data: bytes
    ppp: ppp.Frame | None
    """None where it was no frame."""
    ip: Packet | None
    """What the frame carries, if it is IP."""
    fault: Fault | None = None
    """Why it was no frame."""


def read(path: Path) -> list[Heard]:
    """Read the capture whole; raises LabError if it is missing or broken."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC:
                raise LabError(f"{path} is not a capture that can be read: no pcapng file")
        with RawPcapNgReader(str(path)) as reader:
            return [_heard(number, *entry) for number, entry in enumerate(reader, 1)]
    except FileNotFoundError as error:
        raise LabError(
            f"the capture of the calls is missing: {path}",
            hint="the run did not get as far as the telephone; its error is in record.json",
        ) from error
    except (Scapy_Exception, EOFError) as error:
        raise LabError(f"{path} is not a capture that can be read: {error}") from error


def _heard(number: int, data: bytes, metadata: Any) -> Heard:
    _, call, *_ = metadata.ifname.decode().split()
    ticks = (metadata.tshigh << 32) | metadata.tslow
    time = ticks / metadata.tsresol
    if metadata.linktype != LINKTYPE_PPP_WITH_DIR:
        fault = Fault(metadata.comments[0].decode())
        sent = metadata.direction == OUTBOUND
        return Heard(int(call), number, time, sent, data, None, None, fault)

    frame = ppp.parse(data[1:])
    carries = frame is not None and frame.protocol == ppp.IP
    packet = decode.parse_ip(frame.body) if frame and carries else None
    return Heard(int(call), number, time, data[0] != 0, data[1:], frame, packet)
