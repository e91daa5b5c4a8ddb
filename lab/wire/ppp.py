"""PPP frames (RFC 1661), with or without address and control: LCP, PAP, CHAP, IPCP, IP."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from socket import inet_ntoa
from typing import TYPE_CHECKING, Protocol, TypeVar

from lab.wire.packet import Packet, parse_ip

if TYPE_CHECKING:
    from lab.wire.l2tp import L2tpMessage

LCP = 0xC021
PAP = 0xC023
CHAP = 0xC223
IPCP = 0x8021
IP = 0x0021

CHAP_MD5 = 5
OPTION_AUTHENTICATION = 3
"""LCP (RFC 1661 6.2)."""
OPTION_IP_ADDRESS = 3
"""IPCP (RFC 1332 3.3)."""


class Code(IntEnum):
    """Those that the lab reads of LCP and every NCP (RFC 1661 5)."""

    configure_request = 1
    configure_ack = 2
    configure_nak = 3
    configure_reject = 4
    terminate_request = 5
    echo_request = 9
    echo_reply = 10


class ChapCode(IntEnum):
    """RFC 1994 4."""

    challenge = 1
    response = 2
    success = 3
    failure = 4


class PapCode(IntEnum):
    """RFC 1334 2.2."""

    request = 1
    ack = 2
    nak = 3


@dataclass(slots=True)
class PppFrame:
    """One PPP frame; of data, only protocol and body. The bytes are those of ``raw``, which are kept once."""

    protocol: int
    raw: bytes
    body_from: int = 0
    body_to: int = sys.maxsize

    @property
    def body(self) -> bytes:
        return self.raw[self.body_from : self.body_to]

    @property
    def ip(self) -> Packet | None:
        """The IP packet that it carries; None if it carries none, or one that is cut short."""
        return parse_ip(self.raw, self.body_from, self.body_to) if self.protocol == IP else None

    @property
    def code(self) -> int:
        return self.body[0] if self.body else 0

    @property
    def identifier(self) -> int:
        return self.body[1] if len(self.body) > 1 else 0

    @property
    def content(self) -> bytes:
        """A control packet without its four header bytes."""
        if len(self.body) < 4:
            return b""
        return self.body[4 : self.body[2] << 8 | self.body[3]]

    def option(self, kind: int) -> bytes | None:
        """The value of a configuration option; None if it is not there."""
        rest = self.content
        while len(rest) >= 2 and 2 <= rest[1] <= len(rest):
            if rest[0] == kind:
                return rest[2 : rest[1]]
            rest = rest[rest[1] :]
        return None

    @property
    def authentication(self) -> tuple[int, int]:
        """The protocol and algorithm that an LCP packet's option 3 names; zeros if none."""
        value = self.option(OPTION_AUTHENTICATION) or b""
        protocol = int.from_bytes(value[:2], "big")
        return protocol, value[2] if len(value) > 2 else 0

    @property
    def ip_address(self) -> str:
        """The address in an IPCP packet; empty if it names none."""
        value = self.option(OPTION_IP_ADDRESS)
        return inet_ntoa(value) if value is not None and len(value) == 4 else ""

    @property
    def pap_user(self) -> str:
        """The peer-id of an Authenticate-Request (RFC 1334 2.2.1); the password is nobody's business."""
        content = self.content
        return content[1 : 1 + content[0]].decode(errors="replace") if content else ""

    @property
    def chap_value(self) -> bytes:
        """Challenge or response value (RFC 1994 4.1)."""
        content = self.content
        return content[1 : 1 + content[0]] if content else b""


def parse(data: bytes, begin: int = 0, end: int = sys.maxsize) -> PppFrame | None:
    """Read the frame between two places; address, control and the protocol's first byte may be left out."""
    end = min(end, len(data))
    at = begin + 2 if data[begin : begin + 2] == b"\xff\x03" else begin
    if end <= at:
        return None
    if data[at] & 1:  # RFC 1661 6.5: protocol field compression
        return PppFrame(data[at], data, at + 1, end)
    if end < at + 2:
        return None
    return PppFrame(data[at] << 8 | data[at + 1], data, at + 2, end)


def carried_by(datagram: L2tpMessage) -> PppFrame | None:
    """The frame in a data message of L2TP; None of a control message."""
    if datagram.control:
        return None
    return parse(datagram.raw, datagram.ppp_from, datagram.ppp_to)


class Framed(Protocol):
    """What was carried one way or the other, with the PPP frame in it."""

    @property
    def ppp(self) -> PppFrame | None: ...

    @property
    def outgoing(self) -> bool: ...


C = TypeVar("C", bound=Framed)


def among(
    items: Iterable[C], protocol: int, *codes: int, outgoing: bool | None = None
) -> list[tuple[C, PppFrame]]:
    """Frames of a protocol; of these codes if any are given, and in one direction if one is."""
    return [
        (item, item.ppp)
        for item in items
        if item.ppp
        and item.ppp.protocol == protocol
        and (not codes or item.ppp.code in codes)
        and outgoing in (None, item.outgoing)
    ]


def chap_md5(identifier: int, secret: str, challenge: bytes) -> bytes:
    """RFC 1994 4.1."""
    return hashlib.md5(bytes([identifier]) + secret.encode() + challenge).digest()
