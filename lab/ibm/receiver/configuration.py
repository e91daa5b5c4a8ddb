"""The configuration: where the servers are, by errand, signed so that it may come in clear (R-04, OUT-32).

A compact JWS (RFC 7515) with Ed25519 (RFC 8037). ``cryptography`` is imported when the first one is signed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from lab.ibm.receiver.refused import NotDone
from lab.ibm.receiver.store import Store

PRIVATE_FILE = "configuration.key"
"""As ``authority`` writes it, which the guest does not import."""

Servers = Mapping[str, Iterable[str]]


class Spoiled(StrEnum):
    """What is wrong with a configuration, for agents to refuse: they keep the one that they have (R-04)."""

    not_at_all = ""
    signature = "signature"
    """It is not right: somebody has changed it on the way."""
    content = "content"
    """It is right, and what is signed is no JSON."""
    half = "half"
    """The second half is missing."""


def publish(
    store: Store,
    key_file: Path,
    servers: Servers,
    now: float,
    spoiled: Spoiled = Spoiled.not_at_all,
) -> tuple[int, str]:
    """Sign the next version, which agents get from now on: the version and the JWS."""
    row = store.one("SELECT coalesce(max(version), 0) + 1 FROM configurations")
    assert row is not None, "a maximum is a row"
    version = int(row[0])
    named = {errand: [*urls] for errand, urls in servers.items()}
    content = json.dumps({"version": version, "issued": now, "servers": named}, sort_keys=True)
    text = _spoil(content, key_file, spoiled)
    store.insert("configurations", version=version, issued=now, servers=json.dumps(named), jws=text)
    return version, text


def newest(store: Store) -> str | None:
    """The JWS; None if none was published."""
    row = store.one("SELECT jws FROM configurations ORDER BY version DESC LIMIT 1")
    return None if row is None else str(row["jws"])


def _spoil(content: str, key_file: Path, spoiled: Spoiled) -> str:
    match spoiled:
        case Spoiled.not_at_all:
            return signed(content.encode(), key_file)
        case Spoiled.content:
            return signed(content[:-1].encode(), key_file)
        case Spoiled.half:
            text = signed(content.encode(), key_file)
            return text[: len(text) // 2]
        case Spoiled.signature:
            other = signed(content.encode() + b" ", key_file).rpartition(".")[2]
            return f"{signed(content.encode(), key_file).rpartition('.')[0]}.{other}"


def signed(content: bytes, key_file: Path) -> str:
    """The JWS of a content; OSError if the key cannot be read, NotDone with 503 if it is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NotDone(503, f"the configuration cannot be signed: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise NotDone(503, f"the configuration cannot be signed: {key_file.name} is not of Ed25519")
    head = json.dumps({"alg": "EdDSA"}).encode()
    text = f"{_base64(head)}.{_base64(content)}"
    return f"{text}.{_base64(key.sign(text.encode()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
