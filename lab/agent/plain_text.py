"""What JSON says, as lines for people."""

from __future__ import annotations

import json
import time
from typing import Any

TIMES = frozenset({"collected", "expires", "issued", "occurred", "password_changed", "time"})
"""Keys whose values are seconds since 1970; 0 is never."""


def as_lines(told: Any, indent: str = "") -> list[str]:
    """What JSON has, as lines for people."""
    if isinstance(told, dict):
        found = []
        for key, value in told.items():
            if isinstance(value, dict | list) and value:
                found += [f"{indent}{key}:", *as_lines(value, f"{indent}  ")]
            else:
                found.append(f"{indent}{key}: {_plain(key, value)}")
        return found
    if isinstance(told, list):
        return [line for each in told for line in _as_item(each, indent)]
    return [f"{indent}{_plain('', told)}"]


def _as_item(told: Any, indent: str) -> list[str]:
    if not isinstance(told, dict):
        return as_lines(told, indent)
    return [f"{indent}{'  '.join(f'{key}={_plain(key, value)}' for key, value in told.items())}"]


def _plain(key: str, value: Any) -> str:
    if key in TIMES and isinstance(value, int | float):
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))  # RFC 3339
        return moment if value else "never"
    if value in ({}, [], "", None):
        return "none"
    return value if isinstance(value, str) else json.dumps(value)
