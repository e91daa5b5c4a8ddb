"""Secrets of a run, and texts without them: the last guard of what is handed to others.

No writer of evidence puts a secret into a text. What programs wrote into their logs, and what clients
wrote into their requests, is theirs; so every page is searched once more before it is written.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from urllib.parse import quote

from lab.secret import Secret, find

SHOWN = "[redacted]"
SHORTEST = 6
"""Characters: a shorter form is found in words that are no secret."""
_ESP_KEYS = ("encryption_key", "integrity_key")


def secrets_of(run_dir: Path, topology: object) -> set[str]:
    """Every secret of a run: those of the model, and the keys of ESP and TLS, which are hexadecimal.

    Of files that may not be read, or that are not there, there is none.
    """
    found = {secret.reveal() for _, secret in find(topology, Secret)}
    found |= set(_esp_keys(run_dir / "keys" / "esp.json"))
    found |= set(_tls_secrets(run_dir / "keys" / "tls.keylog"))
    return {each for each in found if each}


def _esp_keys(path: Path) -> Iterator[str]:
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError):
        return
    for entry in entries if isinstance(entries, list) else []:
        yield from (str(entry.get(name, "")) for name in _ESP_KEYS)


def _tls_secrets(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        label, *rest = line.split()
        if len(rest) == 2 and not label.startswith("#"):
            yield rest[1]


def forms(secret: str) -> set[str]:
    """How a secret may stand in a text: as it is, escaped, in hexadecimal, in base64, percent-encoded.

    Base64 of a text that only contains the secret (``Basic`` of user and password) is found, too: by
    the digits that all of the texts have in common in which it begins at the same place of three.
    """
    raw = secret.encode()
    found = {secret, escape(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
    found |= {raw.hex(), raw.hex().upper(), raw.hex(":"), secret.upper() if _is_hex(secret) else ""}
    whole = [raw, bytes.fromhex(secret)] if _is_hex(secret) else [raw]
    found |= {digits for each in whole for digits in _base64(each)}
    found |= {each.replace("+", "-").replace("/", "_") for each in found}
    return {each for each in found if len(each) >= SHORTEST}


def _base64(raw: bytes) -> Iterator[str]:
    for before in range(3):
        digits = b64encode(bytes(before) + raw).decode().rstrip("=")
        first = (before * 8 + 5) // 6
        last = (before + len(raw)) * 8 // 6
        yield digits[first:last]


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(digit in "0123456789abcdefABCDEF" for digit in text)


def without(text: str, secrets: Iterable[str]) -> str:
    """A text in which ``SHOWN`` stands in the place of each secret, in whatever form."""
    every = {form for secret in secrets for form in forms(secret)}
    # The longest first: a shorter form may be a part of it.
    for form in sorted(every, key=lambda each: (-len(each), each)):
        if form in text:
            text = text.replace(form, SHOWN)
    return text
