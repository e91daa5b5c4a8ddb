"""Who asks on a link for the hardware address of whom, and who answers (RFC 826)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from socket import inet_ntoa

from lab.wire.decode import Frame

ETHERTYPE = 0x0806
_REQUEST, _REPLY = 1, 2
_message = struct.Struct("!HHBBH6s4s6s4s")
_OF_IPV4_ON_ETHERNET = (1, 0x0800, 6, 4)
_ETHERNET_HEADER = 14


@dataclass(frozen=True, slots=True)
class ArpMessage:
    """A question for an address, or an answer to one."""

    frame: Frame
    is_answer: bool
    sender: str
    target: str


def read(frames: Iterable[Frame]) -> list[ArpMessage]:
    """The messages among the frames of a wire."""
    found = []
    for frame in frames:
        body = frame.data[_ETHERNET_HEADER:]
        if frame.ethertype != ETHERTYPE or len(body) < _message.size:
            continue
        *kind, operation, _, sender, _, target = _message.unpack_from(body)
        if tuple(kind) == _OF_IPV4_ON_ETHERNET and operation in (_REQUEST, _REPLY):
            found.append(
                ArpMessage(frame, operation == _REPLY, inet_ntoa(sender), inet_ntoa(target))
            )
    return found
