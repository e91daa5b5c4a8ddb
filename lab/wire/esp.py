"""ESP (RFC 4303), native and in UDP (RFC 3948): SPI and sequence, the ICV's check and decryption.

The keys come from a run directory's ``keys/esp.json``; they never leave this module in a text.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lab.errors import LabBroke
from lab.wire.decode import ESP, Packet, bare_transport, parse_ip
from lab.wire.isakmp import NAT_T_PORT, NON_ESP_MARKER

try:  # where cryptography has moved it; Debian 12's own still has the old place
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES as TripleDES
except ImportError:  # pragma: no cover
    from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES as TripleDES

IP_IN_IP = 4
"""The next header of tunnel mode."""

_SECRET = ("encryption_key", "integrity_key")
"""The fields of a key that are in hexadecimal in the file."""

_DIGESTS = {
    "hmac(md5)": "md5",
    "hmac(sha1)": "sha1",
    "hmac(sha256)": "sha256",
    "hmac(sha384)": "sha384",
    "hmac(sha512)": "sha512",
}
_CIPHERS = {"cbc(des3_ede)": TripleDES, "cbc(aes)": algorithms.AES}
_AEADS = {"rfc4106(gcm(aes))": AESGCM}
_SPI_AND_SEQUENCE = struct.Struct("!II")
_SALT, _VECTOR = 4, 8
"""Bytes, of the ciphers that authenticate by themselves (RFC 4106): the salt ends the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The keys of one SA, in the kernel's names; secret, hence not in its text.

    The fields are those of an entry of ``keys/esp.json``.
    """

    spi: int
    source: str
    destination: str
    encryption: str
    encryption_key: bytes = field(repr=False)
    integrity: str
    integrity_key: bytes = field(repr=False)
    icv_bits: int
    encap: bool


@dataclass(slots=True)
class Sealed:
    """An ESP packet as it stands on a wire."""

    spi: int
    sequence: int
    raw: bytes = field(repr=False)
    """What it was read from, such as a frame."""
    in_udp: bool
    data_from: int = 0
    data_to: int = sys.maxsize

    @property
    def data(self) -> bytes:
        """From the SPI to the end of the ICV."""
        return self.raw[self.data_from : self.data_to]

    @property
    def digest(self) -> bytes:
        """Of ``data``, by which it is known again on another wire."""
        return hashlib.blake2b(self.data, digest_size=16).digest()


@dataclass(slots=True)
class Opened:
    """What came of opening one."""

    key: Key | None
    """None: no SA with this SPI is known."""
    icv_good: bool
    next_header: int
    inner: Packet | None


def load_keys(path: Path) -> dict[int, list[Key]]:
    """Read ``keys/esp.json``, by SPI; no file is no SA."""
    if not path.exists():
        return {}

    keys: dict[int, list[Key]] = {}
    try:
        for entry in json.loads(path.read_text()):
            secret = {name: bytes.fromhex(entry[name]) for name in _SECRET}
            key = Key(**entry | secret)
            keys.setdefault(key.spi, []).append(key)
    except (KeyError, TypeError, ValueError) as error:
        # Not the text itself: it is made of secrets.
        raise LabBroke(f"{path} is not a list of SAs as the lab writes it: {error!r}") from None
    return keys


def sealed(packet: Packet) -> Sealed | None:
    """The ESP packet in an IP packet; None where it is something else, or a fragment."""
    if packet.is_fragment:
        return None

    data = packet.payload
    if packet.protocol == ESP:
        in_udp = False
    elif packet.uses_udp(NAT_T_PORT) and data[:4] != NON_ESP_MARKER:
        in_udp = True
    else:
        return None

    if len(data) < 8:  # a keepalive
        return None
    spi, sequence = _SPI_AND_SEQUENCE.unpack_from(data)
    return Sealed(spi, sequence, packet.raw, in_udp, packet.payload_from, packet.payload_to)


def open_sealed(esp: Sealed, keys: dict[int, list[Key]]) -> Opened:
    """Check the ICV and decrypt; a bad ICV is told, and nothing is decrypted then."""
    candidates = keys.get(esp.spi, [])
    for key in candidates:
        if (opened := _opened(esp, key)) is not None:
            next_header, data = opened
            if next_header == IP_IN_IP:
                return Opened(key, True, next_header, parse_ip(data))
            inner = bare_transport(key.source, key.destination, next_header, data)
            return Opened(key, True, next_header, inner)
    return Opened(candidates[0] if candidates else None, False, 0, None)


def _opened(esp: Sealed, key: Key) -> tuple[int, bytes] | None:
    """Next header and what it says is next; None if the ICV is wrong."""
    if key.encryption in _AEADS:
        return _open_aead(esp, key)
    return _decrypt(esp, key) if _icv_good(esp, key) else None


def _open_aead(esp: Sealed, key: Key) -> tuple[int, bytes] | None:
    """RFC 4106: SPI and sequence number are authenticated, and the ICV is the cipher's own."""
    secret, salt = key.encryption_key[:-_SALT], key.encryption_key[-_SALT:]
    data = esp.data
    header, vector, text = data[:8], data[8 : 8 + _VECTOR], data[8 + _VECTOR :]
    try:
        plain = _AEADS[key.encryption](secret).decrypt(salt + vector, text, header)
    except (InvalidTag, ValueError):  # the latter: no room for an ICV
        return None
    return _trailed(plain)


def _trailed(plain: bytes) -> tuple[int, bytes]:
    """Take padding, its length and the next header off the end (RFC 4303 2.4)."""
    if len(plain) < 2:
        return 0, b""
    pad, next_header = plain[-2], plain[-1]
    return next_header, plain[: -2 - pad]


def _icv_good(esp: Sealed, key: Key) -> bool:
    digest = _DIGESTS.get(key.integrity)
    if digest is None:
        raise LabBroke(f"no reader for ESP integrity {key.integrity}", hint=f"known: {[*_DIGESTS]}")
    size = key.icv_bits // 8
    data = esp.data
    made = hmac.new(key.integrity_key, data[:-size], getattr(hashlib, digest)).digest()
    return hmac.compare_digest(made[:size], data[-size:])


def is_right_but_for_a_bit(esp: Sealed, keys: dict[int, list[Key]]) -> bool:
    """Whether an ICV that is wrong is right once one bit of the packet is flipped: so a line damages frames.

    Whoever computes ICVs by another algorithm or key never comes so near.
    """
    spis = {esp.spi, *(esp.spi ^ (1 << bit) for bit in range(32))}
    own = [(spi, key) for spi in spis & keys.keys() for key in keys[spi]]
    return any(_is_sealed_by(esp, spi, key) for spi, key in own)


def _is_sealed_by(esp: Sealed, spi: int, key: Key) -> bool:
    data = bytearray(spi.to_bytes(4, "big") + esp.data[4:])
    if spi != esp.spi:
        # That was the bit.
        return _opens(esp, key, data)
    for place in range(4, len(data)):
        for bit in range(8):
            data[place] ^= 1 << bit
            if _opens(esp, key, data):
                return True
            data[place] ^= 1 << bit
    return False


def _opens(esp: Sealed, key: Key, data: bytearray) -> bool:
    other = Sealed(esp.spi, esp.sequence, bytes(data), esp.in_udp)
    if key.encryption in _AEADS:
        return _open_aead(other, key) is not None
    return _icv_good(other, key)


def _decrypt(esp: Sealed, key: Key) -> tuple[int, bytes]:
    algorithm = _CIPHERS.get(key.encryption)
    if algorithm is None:
        known = [*_CIPHERS, *_AEADS]
        raise LabBroke(f"no reader for ESP cipher {key.encryption}", hint=f"known: {known}")

    cipher = algorithm(key.encryption_key)
    block = cipher.block_size // 8
    body = esp.data[8 : -(key.icv_bits // 8)]
    vector, text = body[:block], body[block:]
    if not text or len(text) % block:
        return 0, b""

    decryptor = Cipher(cipher, modes.CBC(vector)).decryptor()
    return _trailed(decryptor.update(text) + decryptor.finalize())
