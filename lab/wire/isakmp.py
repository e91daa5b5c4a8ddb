"""ISAKMP messages (RFC 2408) as far as they are in clear: header, payloads, transforms, notifies.

An IKEv1 main mode is readable in its first four messages; the rest is encrypted, and here only its
exchange type and message ID are told.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from lab.wire.decode import UDP, Packet

IKE_PORT = 500
NAT_T_PORT = 4500
NON_ESP_MARKER = bytes(4)
"""RFC 3948 2.2: what tells IKE from ESP on port 4500."""
KEEPALIVE = b"\xff"
"""RFC 3948 2.3."""


class ExchangeType(IntEnum):
    """The exchange types that the lab tells apart (RFC 2408 3.1 and RFC 2409)."""

    main_mode = 2
    aggressive = 4
    quick_mode = 32


class PayloadType(IntEnum):
    """The payloads that the lab reads (RFC 2408 3.1)."""

    sa = 1
    notification = 11


class Attribute(IntEnum):
    """RFC 2409 appendix A: what a phase 1 transform carries."""

    encryption = 1
    hash = 2
    authentication = 3
    group = 4


NO_PROPOSAL_CHOSEN = 14

_header = struct.Struct("!8s8sBBBBII")


@dataclass(frozen=True, slots=True)
class IsakmpMessage:
    """One ISAKMP message."""

    initiator_cookie: bytes
    responder_cookie: bytes
    version: int
    exchange: int
    message_id: int
    payloads: tuple[tuple[int, bytes], ...]
    """Type and body, in order; empty where the message is encrypted."""
    body: bytes
    """All that follows the header."""

    @property
    def transforms(self) -> tuple[dict[int, int], ...]:
        """The phase 1 transforms that the SA payload offers or chooses, as attributes."""
        return tuple(
            found
            for kind, body in self.payloads
            if kind == PayloadType.sa
            for found in _transforms(body)
        )

    @property
    def notifies(self) -> tuple[int, ...]:
        """Notify message types in clear (RFC 2408 3.14.1)."""
        return tuple(
            int.from_bytes(body[6:8], "big")
            for kind, body in self.payloads
            if kind == PayloadType.notification and len(body) >= 8
        )

    @property
    def key(self) -> tuple[bytes, int, int, bytes]:
        """The same for a message and its retransmission."""
        return (self.initiator_cookie, self.exchange, self.message_id, self.body)


def message(packet: Packet) -> IsakmpMessage | None:
    """The ISAKMP message in a packet, on either port; None where it is something else."""
    if packet.protocol != UDP or packet.fragment_offset > 0:
        return None

    ports = (packet.source_port, packet.destination_port)
    if IKE_PORT in ports:
        return parse(packet.payload)
    if NAT_T_PORT in ports and packet.payload[:4] == NON_ESP_MARKER:
        return parse(packet.payload[4:])
    return None


def parse(data: bytes) -> IsakmpMessage | None:
    """Read a message; None if it is cut short or no ISAKMP."""
    if len(data) < _header.size:
        return None
    icookie, rcookie, first, version, exchange, flags, ident, length = _header.unpack_from(data)
    if version >> 4 not in (1, 2) or length < _header.size or length > len(data):
        return None

    body = data[_header.size : length]
    encrypted = flags & 1 if version >> 4 == 1 else first == 46
    payloads = () if encrypted else tuple(_chain(first, body))
    return IsakmpMessage(icookie, rcookie, version, exchange, ident, payloads, body)


def _chain(kind: int, body: bytes) -> list[tuple[int, bytes]]:
    found = []
    while kind and len(body) >= 4:
        length = body[2] << 8 | body[3]
        if length < 4 or length > len(body):
            break
        found.append((kind, body[4:length]))
        kind, body = body[0], body[length:]
    return found


def _transforms(sa: bytes) -> list[dict[int, int]]:
    """DOI, situation, then proposals (payload type 2) that hold transforms (type 3)."""
    found = []
    for _, proposal in _chain(2, sa[8:]):
        if len(proposal) < 4:
            continue
        spi_size = proposal[2]
        found += [_attributes(body[4:]) for _, body in _chain(3, proposal[4 + spi_size :])]
    return found


def _attributes(body: bytes) -> dict[int, int]:
    """RFC 2408 3.3: with the top bit set the value stands in place, else its length does."""
    found: dict[int, int] = {}
    while len(body) >= 4:
        kind, value = struct.unpack_from("!HH", body)
        if kind & 0x8000:
            found[kind & 0x7FFF] = value
            body = body[4:]
        else:
            found[kind] = int.from_bytes(body[4 : 4 + value], "big")
            body = body[4 + value :]
    return found
