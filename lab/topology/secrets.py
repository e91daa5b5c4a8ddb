"""Secrets: derived from a run's seed, and taken out again before a model is shown. Pure."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
from typing import Any, TypeVar

T = TypeVar("T")

SECRET_FIELDS = frozenset({"psk", "secret"})
"""The model's fields that hold one, in whatever dataclass."""

HIDDEN = "(secret)"


def derive(seed: bytes, *purpose: str) -> str:
    """A secret for one purpose: 160 bits of HMAC-SHA256, as letters and digits without quoting."""
    digest = hmac.new(seed, "\0".join(purpose).encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:20]).decode().lower()


def hide(value: T) -> T:
    """The same value with ``(secret)`` in the place of every secret in it."""
    result: Any = value
    if isinstance(value, tuple):
        result = tuple(hide(part) for part in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        hidden = {
            name: HIDDEN if name in SECRET_FIELDS else hide(part) for name, part in parts.items()
        }
        result = dataclasses.replace(value, **hidden)

    return result  # type: ignore[no-any-return]
