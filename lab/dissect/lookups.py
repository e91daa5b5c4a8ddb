"""Messages of DNS (RFC 1035 4.1), as far as people read them: the question, the code, and the addresses.

Findings read them by scapy (``lab.wire.dns``). Every run shows its lookups, and scapy's layers take longer to
be imported than all else that is shown takes to be made.
"""

from __future__ import annotations

import struct
from socket import AF_INET6, inet_ntoa, inet_ntop

from lab.wire.decode import Packet
from lab.wire.dns import KINDS, DnsMessage, presented

_HEAD = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_MOST_JUMPS = 32
"""Of compression (RFC 1035 4.1.4) in one name."""
_OTHERS = {
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    15: "MX",
    16: "TXT",
    33: "SRV",
    65: "HTTPS",
    255: "ANY",
}
_ANSWER, _CODE = 0x8000, 0x000F


def read(packet: Packet) -> DnsMessage | None:
    """The message in a packet; None where there is none, or no question, or where it is cut short."""
    data = packet.payload
    try:
        number, flags, questions, answers, _, _ = _HEAD.unpack_from(data)
        if not questions:
            return None
        name, at = _name(data, _HEAD.size)
        (kind,) = struct.unpack_from("!H", data, at)
        at += 4
        for _ in range(questions - 1):
            at = _name(data, at)[1] + 4
        addresses = []
        for _ in range(answers):
            at = _name(data, at)[1]
            record, _, _, length = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            if address := _address(record, data[at : at + length]):
                addresses.append(address)
            at += length
    except (struct.error, IndexError, ValueError):
        return None
    told = KINDS.get(kind) or _OTHERS.get(kind, str(kind))
    is_answer = bool(flags & _ANSWER)
    return DnsMessage(number, is_answer, name.lower(), told, flags & _CODE, tuple(addresses))


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends; raises IndexError or ValueError for what is none."""
    labels, end, jumps = [], 0, 0
    while length := data[at]:
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | data[at + 1]
            jumps += 1
            if jumps > _MOST_JUMPS:
                raise ValueError("a name that refers to itself")
            continue
        labels.append(presented(data[at + 1 : at + 1 + length]))
        at += 1 + length
    return ".".join(labels), end or at + 1


def _address(kind: int, data: bytes) -> str:
    """In the answer of a question for addresses; empty where it is no address."""
    if KINDS.get(kind) == "A" and len(data) == 4:
        return inet_ntoa(data)
    if KINDS.get(kind) == "AAAA" and len(data) == 16:
        return inet_ntop(AF_INET6, data)
    return ""
