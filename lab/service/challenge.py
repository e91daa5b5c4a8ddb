"""Challenge and response at the DS8000's terminal (S3 Inbound; I-23).

The papers do not say how (Q-17). The lab's choice: the challenge is a nonce of 128 random bits. The response
is an HMAC-SHA256 of the nonce by the representative's key, cut to 128 bits, which RFC 2104 5 allows.
Both are 32 hexadecimal digits, so that a person can type them. No descriptor or clock.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

from lab.secret import Secret

NONCE_BYTES = 16
DIGITS = 32
"""Of a challenge, and of a response."""


def response(key: Secret, challenge: str) -> str:
    """What a representative's token makes of a challenge: ``DIGITS`` hexadecimal digits."""
    digest = hmac.new(key.reveal().encode(), challenge.encode(), hashlib.sha256)
    return digest.hexdigest()[:DIGITS]


class Challenges:
    """The console's: one at a time, and each may be answered once, be the response right or wrong."""

    def __init__(self, key: Secret, draw: Callable[[int], bytes] = secrets.token_bytes) -> None:
        """``draw`` gives so many random bytes; a test may give others."""
        self._key = key
        self._draw = draw
        self._open = ""

    def issue(self) -> str:
        """A fresh challenge; one that was not answered is worth nothing any more."""
        self._open = self._draw(NONCE_BYTES).hex()
        return self._open

    def accepts(self, said: str) -> bool:
        """Whether this is the response to the challenge that is open; it is open no more."""
        challenge, self._open = self._open, ""
        right = response(self._key, challenge)
        # In constant time, so that no clock tells how many digits were right.
        return bool(challenge) and hmac.compare_digest(right.encode(), said.lower().encode())
