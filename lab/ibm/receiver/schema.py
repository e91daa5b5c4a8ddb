"""Whether a JSON value fits a schema: the part of JSON Schema (2020-12) that the receiver's document uses.

The document is what is enforced, so the two cannot differ. A library for all of JSON Schema takes longer to
import in the guest than a call home takes; a test compares this one with such a library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

KEYWORDS = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "propertyNames", "minProperties",
        "maxProperties", "items", "minItems", "maxItems", "pattern", "minLength", "maxLength",
        "minimum", "maximum",
    }
)  # fmt: skip
"""What is understood."""
NOTES = frozenset({"title", "description", "examples", "format", "contentMediaType"})
"""What says nothing about a value."""


def complaints(value: Any, schema: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """What of a value does not fit, each with its place: ``machine.type: ...``."""
    kind = schema.get("type")
    if kind is not None and not _TYPES[kind](value):
        yield _at(place, f"is no {kind}")
        return
    if isinstance(value, dict):
        yield from _of_object(value, schema, place)
    elif isinstance(value, list):
        yield from _of_array(value, schema, place)
    elif isinstance(value, str):
        yield from _of_string(value, schema, place)
    elif not isinstance(value, bool) and isinstance(value, int | float):
        least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        if not least <= value <= most:
            yield _at(place, f"is not between {least} and {most}")


def _of_object(value: dict[str, Any], schema: Mapping[str, Any], place: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield _at(place, f"lacks {name}")
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", math.inf):
        least, most = schema.get("minProperties", 0), schema.get("maxProperties", "any number")
        yield _at(place, f"has {len(value)} members, and not {least} to {most}")
    rest, names = schema.get("additionalProperties", True), schema.get("propertyNames", {})
    for name, part in value.items():
        where = f"{place}.{name}" if place else name
        yield from complaints(name, names, where)
        if name in properties:
            yield from complaints(part, properties[name], where)
        elif rest is False:
            known = f", which are {', '.join(properties)}" if properties else ""
            yield _at(place, f"has {name[:64]!r}, which is none of the members{known}")
        elif rest is not True:
            yield from complaints(part, rest, where)


def _of_array(value: list[Any], schema: Mapping[str, Any], place: str) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
        least, most = schema.get("minItems", 0), schema.get("maxItems", "any number")
        yield _at(place, f"has {len(value)} items, and not {least} to {most}")
    for number, part in enumerate(value):
        yield from complaints(part, schema.get("items", {}), f"{place}[{number}]")


def _of_string(value: str, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
        yield _at(place, f"is longer than {schema.get('maxLength')} characters or too short")
    if "pattern" in schema and not fits(value, schema["pattern"]):
        yield _at(place, f"does not fit {schema['pattern']}")


def fits(text: str, pattern: str) -> bool:
    """Whether all of a text fits a pattern of the document's, each of which is written ``^...$``.

    In ECMA-262, ``$`` is the end of the text; in Python a newline may follow.
    """
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    assert pattern.startswith("^"), pattern
    assert pattern.endswith("$"), pattern
    return re.compile(pattern[1:-1])


def _at(place: str, problem: str) -> str:
    return f"{place}: {problem}" if place else f"the whole {problem}"


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": _is_number,
    # JSON has numbers only: 1.0 is an integer.
    "integer": lambda value: _is_number(value) and value == int(value),
}
