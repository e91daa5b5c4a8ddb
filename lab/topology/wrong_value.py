"""What pydantic finds wrong with a single value of a user's file, in the words of the lab."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic_core import ErrorDetails

from lab.names import did_you_mean

_WANTED = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of names",
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "tuple_type": "must be a list, such as [a, b]",
}


_LIMITS = {
    "greater_than_equal": ("ge", "must be {} at least"),
    "less_than_equal": ("le", "must be {} at most"),
    "string_too_short": ("min_length", "must have {} character at least"),
    "string_too_long": ("max_length", "must have {} characters at most"),
    "too_long": ("max_length", "must have {} entries at most"),
}


def wrong_value(error: ErrorDetails) -> tuple[str, str]:
    """The problem, and what was perhaps meant."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind in _WANTED:
        return f"{_WANTED[kind]}, not {_shown(given)}", ""
    if kind in ("enum", "literal_error"):
        known = re.findall(r"'([^']*)'|(\d+)", context["expected"])
        wanted = context["expected"].replace("'", "")
        return f"must be {wanted}, not {given!r}", near(str(given), [a or b for a, b in known])
    if kind == "value_error":
        return str(context["error"]), ""
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return words.format(context[name]), ""

    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {given!r}", ""


def _shown(given: Any) -> str:
    if isinstance(given, list | dict):
        return "a list" if isinstance(given, list) else "a mapping"
    return "nothing" if given is None else repr(given)


def near(given: str, known: Iterable[str]) -> str:
    """What was perhaps meant; nothing where the message lists all that is known."""
    near = did_you_mean(given, known)
    return near if near.startswith("did") else ""
