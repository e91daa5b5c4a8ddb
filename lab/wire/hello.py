"""The part of a TLS handshake that is in clear: ClientHello, ServerHello, certificates, alerts.

Reads both directions of a connection (RFC 5246 7.4, RFC 8446 4.1), and writes a ClientHello that no library
of today would send: old versions, old suites. Knows no packets: the guest imports it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

VERSIONS = {
    0x0300: "SSLv3",
    0x0301: "TLSv1",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
}
"""As OpenSSL and the ledger call them."""
TLS_1_2 = 0x0303
ALERTS = {
    40: "handshake_failure",
    42: "bad_certificate",
    46: "certificate_unknown",
    48: "unknown_ca",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    90: "user_canceled",
}
"""RFC 8446 6."""

_ALERT, HANDSHAKE = 21, 22
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _SERVER_KEY_EXCHANGE, _SERVER_HELLO_DONE = (
    1,
    2,
    11,
    12,
    14,
)
_SERVER_NAME, _GROUPS, _POINT_FORMATS, _SIGNATURES, _VERSIONS = 0, 10, 11, 13, 43
_FATAL = 2
_GROUPS_OFFERED = 23, 24, 25, 29
"""secp256r1, secp384r1, secp521r1, x25519 (RFC 8422 5.1.1)."""
_SIGNATURES_OFFERED = 0x0403, 0x0503, 0x0603, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201
"""ECDSA and RSA, with SHA-256, SHA-384, SHA-512 and SHA-1 (RFC 5246 7.4.1.4.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOffer:
    """What a client offers."""

    versions: tuple[int, ...]
    """All that it names; of an older client the highest one only."""
    suites: tuple[int, ...]
    server_name: str = ""

    @property
    def highest(self) -> int:
        return max(self.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a server says to that. Nothing is chosen where it refuses, or says nothing."""

    version: int = 0
    suite: int = 0
    certificates: tuple[bytes, ...] = ()
    """In DER, the server's own first; none in TLS 1.3, which encrypts them."""
    has_key_exchange: bool = False
    """Whether a ServerKeyExchange is there: key exchange by RSA has none (RFC 5246 7.4.3)."""
    alert: int = 0
    """Of a fatal alert in clear; 0 if there was none."""
    whole: bool = False
    """Whether the server has said all that it says before the client goes on, or ends with an alert."""


def client_hello(version: int, suites: Iterable[int], server_name: str) -> bytes:
    """A record with a ClientHello for TLS up to ``version``, which is 1.2 at most (RFC 5246 7.4.1.2)."""
    name = server_name.encode("ascii")
    extensions = [_extension(_SERVER_NAME, _sized(b"\0" + _sized(name)))]
    extensions += [
        _extension(_GROUPS, _sized(_words(_GROUPS_OFFERED))),
        _extension(_POINT_FORMATS, b"\1\0"),
    ]
    if version >= 0x0303:
        extensions.append(_extension(_SIGNATURES, _sized(_words(_SIGNATURES_OFFERED))))
    body = struct.pack("!H", version) + os.urandom(32) + b"\0"
    body += _sized(_words(suites)) + b"\1\0" + _sized(b"".join(extensions))
    message = bytes([_CLIENT_HELLO]) + len(body).to_bytes(3, "big") + body
    # The record's own version: RFC 5246 E.1.
    return struct.pack("!BHH", HANDSHAKE, 0x0301, len(message)) + message


def read_offer(sent: bytes) -> ClientOffer | None:
    """The first ClientHello of a client's stream; None if it is not whole, or the stream is no TLS."""
    try:
        for kind, body in _messages(sent):
            return _offer(body) if kind == _CLIENT_HELLO else None
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    return None


def read_choice(received: bytes) -> Choice:
    """A server's answer, as far as it has come."""
    version = suite = alert = 0
    certificates: tuple[bytes, ...] = ()
    whole = has_key_exchange = False
    try:
        for kind, body in _messages(received):
            if kind == _SERVER_HELLO and not version:
                version, suite = _chosen(body)
                whole = version >= 0x0304
            elif kind == _CERTIFICATE and not certificates:
                certificates = tuple(_chain(body))
            has_key_exchange = has_key_exchange or kind == _SERVER_KEY_EXCHANGE
            whole = whole or kind == _SERVER_HELLO_DONE
    except (struct.error, IndexError):
        pass
    for kind, _, body in _records(received):
        if kind == _ALERT and len(body) == 2 and body[0] == _FATAL:
            alert, whole = body[1], True
    return Choice(
        version=version,
        suite=suite,
        certificates=certificates,
        has_key_exchange=has_key_exchange,
        alert=alert,
        whole=whole,
    )


def alert_of(stream: bytes) -> int:
    """The first fatal alert in clear of either direction; 0 if there is none."""
    found = (b[1] for k, _, b in _records(stream) if k == _ALERT and len(b) == 2 and b[0] == _FATAL)
    return next(found, 0)


def alert_name(number: int) -> str:
    return ALERTS.get(number, f"alert {number}")


def _extension(kind: int, data: bytes) -> bytes:
    return struct.pack("!HH", kind, len(data)) + data


def _sized(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def _words(values: Iterable[int]) -> bytes:
    return b"".join(struct.pack("!H", value) for value in values)


def _records(stream: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The records before encryption begins; what is no TLS ends them, and so does one that is cut short."""
    at = 0
    while at + 5 <= len(stream):
        kind, version, length = struct.unpack_from("!BHH", stream, at)
        if kind not in (_ALERT, HANDSHAKE) or version >> 8 != 3 or at + 5 + length > len(stream):
            return
        yield kind, version, stream[at + 5 : at + 5 + length]
        at += 5 + length


def _messages(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """The handshake messages, each whole, whatever records they came in."""
    data = b"".join(body for kind, _, body in _records(stream) if kind == HANDSHAKE)
    at = 0
    while at + 4 <= len(data):
        length = int.from_bytes(data[at + 1 : at + 4], "big")
        if at + 4 + length > len(data):
            return
        yield data[at], data[at + 4 : at + 4 + length]
        at += 4 + length


def _offer(body: bytes) -> ClientOffer:
    (version,) = struct.unpack_from("!H", body, 0)
    at = 35 + body[34]
    (length,) = struct.unpack_from("!H", body, at)
    suites = _read_words(body[at + 2 : at + 2 + length])
    at += 2 + length
    at += 1 + body[at]
    versions: tuple[int, ...] = (version,)
    server_name = ""
    for kind, data in _extensions(body[at:]):
        if kind == _VERSIONS:
            versions = tuple(v for v in _read_words(data[1:]) if v in VERSIONS)
        elif kind == _SERVER_NAME:
            server_name = data[5:].decode("ascii")
    return ClientOffer(versions=versions or (version,), suites=suites, server_name=server_name)


def _chosen(body: bytes) -> tuple[int, int]:
    (version,) = struct.unpack_from("!H", body, 0)
    at = 35 + body[34]
    (suite,) = struct.unpack_from("!H", body, at)
    for kind, data in _extensions(body[at + 3 :]):
        if kind == _VERSIONS:
            (version,) = struct.unpack("!H", data)
    return version, suite


def _extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    if len(data) < 2:
        return
    at, end = 2, 2 + struct.unpack_from("!H", data)[0]
    while at + 4 <= end:
        kind, length = struct.unpack_from("!HH", data, at)
        yield kind, data[at + 4 : at + 4 + length]
        at += 4 + length


def _chain(body: bytes) -> Iterator[bytes]:
    at, end = 3, 3 + int.from_bytes(body[:3], "big")
    while at + 3 <= end:
        length = int.from_bytes(body[at : at + 3], "big")
        yield body[at + 3 : at + 3 + length]
        at += 3 + length


def _read_words(data: bytes) -> tuple[int, ...]:
    return tuple(number for (number,) in struct.iter_unpack("!H", data))
