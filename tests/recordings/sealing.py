"""The other direction of the readers: packets are put into L2TP and ESP by the keys of a run."""

from __future__ import annotations

import hmac
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, modes

from lab.verify.sightings import Inside
from lab.wire.esp import Key, TripleDES

BLOCK, ICV = 8, 12
IP_HEADER, UDP_HEADER = 20, 8
UDP_PROTOCOL = 17
HAS_LENGTH = 0x40
"""Among the first flags of an L2TP header (RFC 2661 3.1)."""


def seal(key: Key, sequence: int, inner: bytes, next_header: int) -> bytes:
    """An ESP packet in tunnel mode, by 3DES and MD5 (RFC 4303 2)."""
    assert (key.encryption, key.integrity, key.icv_bits) == ("cbc(des3_ede)", "hmac(md5)", 8 * ICV)
    pad = -(len(inner) + 2) % BLOCK
    text = inner + bytes(range(1, pad + 1)) + bytes((pad, next_header))
    vector = os.urandom(BLOCK)
    encryptor = Cipher(TripleDES(key.encryption_key), modes.CBC(vector)).encryptor()
    body = struct.pack("!II", key.spi, sequence) + vector
    body += encryptor.update(text) + encryptor.finalize()
    return body + hmac.new(key.integrity_key, body, "md5").digest()[:ICV]


def right(packet: bytes) -> bytes:
    """An IPv4 packet with the lengths and checksums that it needs; UDP goes without (RFC 768)."""
    out = bytearray(packet)
    struct.pack_into("!H", out, 2, len(out))
    out[10:12] = b"\0\0"
    words = sum(struct.unpack(f"!{IP_HEADER // 2}H", out[:IP_HEADER]))
    words = (words & 0xFFFF) + (words >> 16)
    words = (words & 0xFFFF) + (words >> 16)
    struct.pack_into("!H", out, 10, words ^ 0xFFFF)
    if out[9] == UDP_PROTOCOL:
        struct.pack_into("!HH", out, IP_HEADER + 4, len(out) - IP_HEADER, 0)
    return bytes(out)


def in_l2tp(like: Inside, ppp: bytes) -> bytes:
    """The IP packet of an L2TP data message, with another PPP frame in it."""
    assert like.l2tp is not None
    assert not like.l2tp.control
    return in_udp(like, _head(like, like.l2tp.ppp), ppp)


def in_udp(like: Inside, head: bytes, rest: bytes) -> bytes:
    """The IP packet that holds this much of an L2TP message's header, and the rest."""
    message = bytearray(head + rest)
    if message[0] & HAS_LENGTH:
        struct.pack_into("!H", message, 2, len(message))
    packet = like.packet
    ends = struct.pack("!HHHH", packet.source_port, packet.destination_port, 0, 0)
    return ip(packet.source, packet.destination, UDP_PROTOCOL, ends + bytes(message))


def _head(like: Inside, ppp: bytes) -> bytes:
    """The L2TP header: what is before the PPP frame."""
    payload = like.packet.payload
    return payload[: payload.rindex(ppp)]


def ip(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """An IPv4 packet."""
    ends = b"".join(bytes(map(int, address.split("."))) for address in (source, destination))
    head = struct.pack("!BBHHHBBH", 0x45, 0, 0, 1, 0, 64, protocol, 0) + ends
    return right(head + payload)
