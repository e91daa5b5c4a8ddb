"""Captures as light frames: headers by ``struct``, numbers as Wireshark counts, nothing judged.

scapy's raw reader gives the bytes (no dissection there: it costs a millisecond a frame). ISAKMP,
ESP, L2TP and PPP have readers of their own beside this module; they work on payloads found here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.errors import LabBroke
from lab.wire import dialled, vlan
from lab.wire._scapy import RawPcapNgReader, Scapy_Exception
from lab.wire.packet import (
    AH as AH,
)
from lab.wire.packet import (
    ESP as ESP,
)
from lab.wire.packet import (
    GRE as GRE,
)
from lab.wire.packet import (
    ICMP as ICMP,
)
from lab.wire.packet import (
    ICMP_ERRORS as ICMP_ERRORS,
)
from lab.wire.packet import (
    ICMPV6 as ICMPV6,
)
from lab.wire.packet import (
    L2TP_V3 as L2TP_V3,
)
from lab.wire.packet import (
    TCP as TCP,
)
from lab.wire.packet import (
    UDP as UDP,
)
from lab.wire.packet import (
    Ends as Ends,
)
from lab.wire.packet import (
    Packet as Packet,
)
from lab.wire.packet import (
    assembled as assembled,
)
from lab.wire.packet import (
    bare_transport as bare_transport,
)
from lab.wire.packet import (
    parse_ip as parse_ip,
)
from lab.wire.packet import (
    parse_ipv4 as parse_ipv4,
)
from lab.wire.packet import (
    parse_ipv6 as parse_ipv6,
)
from lab.wire.packet import (
    parse_quoted as parse_quoted,
)
from lab.wire.packet import (
    reverse as reverse,
)
from lab.wire.pcapng import LINKTYPE_ETHERNET

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_PPPOE = (0x8863, 0x8864)

_ETHERNET = 14
"""Bytes of the header, without tags."""
_PCAPNG = b"\x0a\x0d\x0d\x0a"


@lru_cache(maxsize=4096)
def _mac(raw: bytes) -> bytes:
    """The same object for equal addresses."""
    return raw


@dataclass(slots=True)
class Frame:
    """One Ethernet frame of a capture."""

    segment: str
    number: int
    """Counted from 1, as Wireshark does."""
    time: float
    """Seconds since 1970 on the lab's clock."""
    data: bytes
    source_mac: bytes
    destination_mac: bytes
    ethertype: int
    ip: Packet | None
    vlans: tuple[int, ...] = ()
    """Of the tags that ``data`` is without, the outermost first."""


def read(path: Path, segment: str = "") -> list[Frame]:
    """Read a capture whole; the segment's name is the file's unless given.

    Raises LabBroke if the file is missing, or is no capture of Ethernet.
    """
    name = segment or path.stem
    found = []
    for number, time, data, metadata in read_packets(path, f"segment {name}"):
        if metadata.linktype != LINKTYPE_ETHERNET:
            kind = metadata.linktype
            raise LabBroke(f"{path} frame {number} is not Ethernet (link type {kind})")
        found.append(read_frame(name, number, time, data))
    return found


def read_packets(path: Path, what: str) -> Iterator[tuple[int, float, bytes, Any]]:
    """The packets of a pcapng file: number from 1, seconds since 1970, bytes, and scapy's metadata.

    Raises LabBroke, which names ``what`` was captured, if the file is missing or broken.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_PCAPNG))
        if magic != _PCAPNG:
            raise LabBroke(
                f"{path} is not a pcapng file (it begins with {magic.hex() or 'nothing'})"
            )
        with RawPcapNgReader(str(path)) as reader:
            for number, (data, metadata) in enumerate(reader, 1):
                meta: Any = metadata  # a namedtuple that scapy makes at run time
                ticks = (meta.tshigh << 32) | meta.tslow
                yield number, ticks / meta.tsresol, data, meta
    except FileNotFoundError as error:
        raise LabBroke(
            f"the capture of {what} is missing: {path}",
            hint="the run did not get as far as capturing; its error is in record.json",
        ) from error
    except (Scapy_Exception, EOFError) as error:
        raise LabBroke(f"{path} is not a capture that can be read: {error}") from error


def read_all(folder: Path) -> dict[str, list[Frame]]:
    """Every capture of Ethernet in a run directory's ``wire`` folder, by segment.

    What the telephone exchange kept is of another kind (``dialled``).
    """
    paths = sorted(folder.glob("*.pcapng"))
    return {path.stem: read(path) for path in paths if path.name != dialled.FRAMES}


def read_frame(segment: str, number: int, time: float, data: bytes) -> Frame:
    """A frame of a capture; ``ip`` is None where no IP packet can be read, and of what ``is_of_link``.

    Tags of VLANs are left out of ``data``, so that what follows is where it is in every other frame.
    """
    bare = vlan.untagged(data)
    vlans, data = () if bare is data else vlan.tags(data), bare
    if len(data) < _ETHERNET:
        return Frame(segment, number, time, data, b"", b"", 0, None, vlans)

    ethertype = data[12] << 8 | data[13]
    if ethertype == ETHERTYPE_IPV4:
        ip = parse_ipv4(data, _ETHERNET)
    elif ethertype == ETHERTYPE_IPV6:
        ip = parse_ipv6(data, _ETHERNET)
        if ip is not None and ip.is_of_link:
            ip = None
    else:
        ip = None
    macs = _mac(data[6:12]), _mac(data[0:6])
    return Frame(segment, number, time, data, *macs, ethertype, ip, vlans)
