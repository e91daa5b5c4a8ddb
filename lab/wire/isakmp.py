"""Messages of IKE (RFC 2408, RFC 7296) as far as they are in clear: header, payloads, transforms, notifies.

Version 1's main mode is readable in its first four messages, version 2 in its first two (IKE_SA_INIT). The
rest is encrypted, and here only its exchange type and message ID are told.
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
    """The exchange types that the lab tells apart (RFC 2408 3.1 and RFC 2409; RFC 7296 3.1)."""

    main_mode = 2
    aggressive = 4
    quick_mode = 32
    ike_sa_init = 34
    ike_auth = 35
    create_child_sa = 36


class PayloadType(IntEnum):
    """The payloads that the lab reads (RFC 2408 3.1; RFC 7296 3.2), and those that are encrypted."""

    sa = 1
    notification = 11
    sa_2 = 33
    notify_2 = 41
    encrypted = 46
    encrypted_fragment = 53
    """RFC 7383 2.5."""


class TransformType(IntEnum):
    """Of IKE version 2 (RFC 7296 3.3.2)."""

    encryption = 1
    prf = 2
    integrity = 3
    group = 4


class Attribute(IntEnum):
    """RFC 2409 appendix A: what a phase 1 transform carries; the last one also in RFC 7296 3.3.5."""

    encryption = 1
    hash = 2
    authentication = 3
    group = 4
    key_length = 14


NO_PROPOSAL_CHOSEN = 14
"""The same in both versions."""
_ENCRYPTED = (PayloadType.encrypted, PayloadType.encrypted_fragment)

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
    is_encrypted: bool = False
    first: int = 0
    """The type of the first payload, which the header tells."""

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
    def suites(self) -> tuple[dict[int, tuple[int, int]], ...]:
        """Of version 2, each proposal of the SA payload: transform type to ID and bits of key.

        Of several transforms of a type the first is there; a gateway's answer has one.
        """
        return tuple(
            suite
            for kind, body in self.payloads
            if kind == PayloadType.sa_2
            for suite in _suites(body)
        )

    @property
    def notifies(self) -> tuple[int, ...]:
        """Notify message types in clear (RFC 2408 3.14.1; RFC 7296 3.10, which has no DOI)."""
        places: dict[int, int] = {PayloadType.notification: 6, PayloadType.notify_2: 2}
        found = ((places[kind], body) for kind, body in self.payloads if kind in places)
        return tuple(
            int.from_bytes(body[at : at + 2], "big") for at, body in found if len(body) >= at + 2
        )

    @property
    def key(self) -> tuple[bytes, int, int, bytes]:
        """The same for a message and its retransmission."""
        return (self.initiator_cookie, self.exchange, self.message_id, self.body)


def message(packet: Packet) -> IsakmpMessage | None:
    """The ISAKMP message in a packet, on either port; None where it is something else."""
    if packet.protocol != UDP or packet.is_fragment:
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
    encrypted = flags & 1 if version >> 4 == 1 else first in _ENCRYPTED
    payloads = () if encrypted else tuple(_chain(first, body))
    return IsakmpMessage(
        icookie, rcookie, version, exchange, ident, payloads, body, bool(encrypted), first
    )


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


def _suites(sa: bytes) -> list[dict[int, tuple[int, int]]]:
    """RFC 7296 3.3: proposals (type 2) that hold transforms (type 3): a type, an ID and attributes."""
    found = []
    for _, proposal in _chain(2, sa):
        if len(proposal) < 4:
            continue
        suite: dict[int, tuple[int, int]] = {}
        for _, body in _chain(3, proposal[4 + proposal[2] :]):
            if len(body) >= 4:
                bits = _attributes(body[4:]).get(Attribute.key_length, 0)
                suite.setdefault(body[0], (int.from_bytes(body[2:4], "big"), bits))
        found.append(suite)
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
