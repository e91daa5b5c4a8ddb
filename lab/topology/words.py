"""What pydantic objects to in a file of the user's, in words, and what keys a place may have."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lab.names import did_you_mean
from lab.topology.strict_yaml import Place
from lab.topology.values import LEVEL, NODE_NAME

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
    "too_short": ("min_length", "must have {} entry at least"),
}

_PATTERNS = {
    NODE_NAME: "must be made of a to z, 0 to 9 and single hyphens, and start with a letter",
    LEVEL: "must have 32 letters, digits and signs at most, without blanks, such as V8R8.7.0",
}


def wrong_value(error: ErrorDetails) -> tuple[str, str]:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind in _WANTED:
        return f"{_WANTED[kind]}, not {_shown(given)}", ""
    if kind in ("enum", "literal_error"):
        known = re.findall(r"'([^']*)'|(\d+)", context["expected"])
        wanted = context["expected"].replace("'", "")
        return f"must be {wanted}, not {given!r}", near(str(given), [a or b for a, b in known])
    if kind == "value_error":
        return str(context["error"]), ""
    if kind == "string_pattern_mismatch" and context["pattern"] in _PATTERNS:
        return f"{_PATTERNS[context['pattern']]}, not {given!r}", ""
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
    meant = did_you_mean(given, known)
    return meant if meant.startswith("did") else ""


def fields(spec: type[BaseModel], place: Place) -> dict[str, str]:
    """The keys that a part of a file may have, with what each is for; ``spec`` is the file's."""
    parts = iter(place)
    for key in parts:
        kind = next(info.annotation for k, info in _by_key(spec) if k == key)
        if typing.get_origin(kind) in (dict, tuple):
            next(parts)  # The name of an entry, or its number.
        spec = next(_specs(kind))

    return {key: info.description or "" for key, info in _by_key(spec)}


def _by_key(spec: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    return ((info.alias or name, info) for name, info in spec.model_fields.items())


def _specs(kind: Any) -> Iterator[type[BaseModel]]:
    """The specs in a type, such as that of ``dict[str, LinkSpec]``."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    yield from chain.from_iterable(map(_specs, typing.get_args(kind)))
