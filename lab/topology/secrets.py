"""Secrets, derived from a run's seed. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac

from lab.secret import Secret


def derive(seed: bytes, *purpose: str) -> Secret:
    """A secret for one purpose: 160 bits of HMAC-SHA256, as letters and digits without quoting."""
    digest = hmac.new(seed, "\0".join(purpose).encode(), hashlib.sha256).digest()
    return Secret(base64.b32encode(digest[:20]).decode().lower())
