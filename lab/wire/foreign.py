"""Captures that are not the lab's own: pcap and pcapng, with whatever header the capturing machine had.

Link types are those of tcpdump.org/linktypes.html. Frames are numbered as Wireshark does. What has no
Ethernet header gets one without addresses, so that the readers of ``decode`` serve.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from lab.errors import UsageError
from lab.wire._scapy import RawPcapReader, Scapy_Exception
from lab.wire.decode import ETHERTYPE_IPV4, ETHERTYPE_IPV6, Frame, read_frame

_NO_ADDRESSES = bytes(12)
_LINK_TYPES = {
    0: ("a loopback (BSD)", 4, None),
    1: ("Ethernet", 0, None),
    12: ("IP", 0, None),
    14: ("IP", 0, None),
    101: ("IP", 0, None),
    113: ("Linux cooked", 16, 14),
    228: ("IPv4", 0, None),
    229: ("IPv6", 0, None),
    276: ("Linux cooked 2", 20, 0),
}
"""Number to name, bytes of header before the packet, and where in the header the EtherType is in it."""
_ETHERNET = 1


def read(path: Path, segment: str) -> list[Frame]:
    """All frames of a capture, as of a wire of this name. Times are seconds since 1970.

    Raises UsageError if there is no such file, if it is no capture, if frames were cut off, or of a link that
    nobody can read.
    """
    try:
        # Not opened by scapy, which leaves a file open that is no capture.
        with path.open("rb") as file, RawPcapReader(cast(str, file)) as reader:
            return [
                _frame(path, segment, number, data, metadata, reader)
                for number, (data, metadata) in enumerate(reader, 1)
            ]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (Scapy_Exception, EOFError) as error:
        raise UsageError(
            f"{path} is no capture: {error}",
            hint="give a file of tcpdump -w, of Wireshark or of `lab capture`",
        ) from error


def _frame(path: Path, segment: str, number: int, data: bytes, metadata: Any, reader: Any) -> Frame:
    if hasattr(metadata, "tsresol"):  # pcapng, where each interface has a link type of its own
        time = ((metadata.tshigh << 32) | metadata.tslow) / metadata.tsresol
        kind = metadata.linktype
    else:
        time = metadata.sec + metadata.usec / (1e9 if reader.nano else 1e6)
        kind = reader.linktype
    if kind not in _LINK_TYPES:
        known = ", ".join(dict.fromkeys(name for name, _, _ in _LINK_TYPES.values()))
        raise UsageError(
            f"{path} frame {number} is of link type {kind}, which the lab cannot read",
            hint=f"capture on an interface of one of these kinds: {known}",
        )
    if len(data) < metadata.wirelen:
        raise UsageError(
            f"{path} frame {number} was cut off by who captured it: {len(data)} of {metadata.wirelen} bytes",
            hint="capture whole packets: tcpdump -s 0",
        )
    return read_frame(segment, number, time, _as_ethernet(kind, data))


def _as_ethernet(kind: int, data: bytes) -> bytes:
    """The frame with an Ethernet header."""
    if kind == _ETHERNET:
        return data
    _, header, place = _LINK_TYPES[kind]
    body = data[header:]
    if place is None:
        version = body[0] >> 4 if body else 0
        ethertype = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}.get(version, 0)
    else:
        ethertype = int.from_bytes(data[place : place + 2], "big")
    return _NO_ADDRESSES + ethertype.to_bytes(2, "big") + body
