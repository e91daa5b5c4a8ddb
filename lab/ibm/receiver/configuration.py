"""The configuration: where the servers are, by errand, signed so that it may come in clear (R-04, OUT-32).

A compact JWS (RFC 7515) with Ed25519 (RFC 8037). ``cryptography`` is imported when the first one is signed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

PRIVATE_FILE = "configuration.key"
"""As ``authority`` writes it, which the guest does not import."""

Servers = Mapping[str, Sequence[str]]


def signed(version: int, issued: float, servers: Servers, key_file: Path) -> str:
    """The JWS; OSError or ValueError if the key cannot be read."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{key_file} is no key of Ed25519")
    content = {"version": version, "issued": issued, "servers": servers}
    text = f"{_encoded({'alg': 'EdDSA'})}.{_encoded(content)}"
    return f"{text}.{_base64(key.sign(text.encode()))}"


def _encoded(value: object) -> str:
    return _base64(json.dumps(value, separators=(",", ":"), sort_keys=True).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
