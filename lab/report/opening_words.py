"""What a TCP segment says first that opens or refuses something: TLS's hellos and alerts, and CONNECT.

By the first bytes of a segment's payload alone; of a request or an answer nothing is told but its first line.
"""

from __future__ import annotations

from typing import NamedTuple

_HANDSHAKE, _ALERT = 0x16, 0x15
_HELLOS = {1: "ClientHello", 2: "ServerHello"}
_ALERT_BYTES = 7
"""A record with an alert in clear (RFC 5246 7.2): an encrypted one is longer."""
_FATAL = 2
_ALERTS = {
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    112: "unrecognized_name",
}
_REFUSALS = range(400, 600)


class OpeningWords(NamedTuple):
    """What is said, and by which protocol."""

    protocol: str
    message: str


def read(payload: bytes) -> OpeningWords | None:
    """What a segment begins with; None if that is nothing of the kind."""
    if len(payload) > 5 and payload[0] in (_HANDSHAKE, _ALERT) and payload[1] == 3:
        return _tls(payload)
    if payload.startswith(b"CONNECT "):
        words = payload.split(b"\r\n", 1)[0].split(b" ")
        target = words[1].decode("ascii", "replace") if len(words) == 3 else "?"
        return OpeningWords("HTTP", f"CONNECT {target}")
    if payload.startswith(b"HTTP/1."):
        status = payload[9:12]
        if status.isdigit() and int(status) in _REFUSALS:
            return OpeningWords("HTTP", f"status {int(status)}")
    return None


def _tls(payload: bytes) -> OpeningWords | None:
    if payload[0] == _HANDSHAKE:
        name = _HELLOS.get(payload[5], "")
        return OpeningWords("TLS", name) if name else None
    if len(payload) != _ALERT_BYTES or payload[5] != _FATAL:
        return None
    return OpeningWords("TLS", f"alert {_ALERTS.get(payload[6], payload[6])}")
