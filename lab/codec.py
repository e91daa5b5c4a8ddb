"""JSON for frozen dataclasses: the model, the record and the verdict go between host and guest as text.

Small on purpose: the guest must not import pydantic to read them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from enum import Enum
from typing import Any, TypeVar

from lab.secret import Secret

T = TypeVar("T")

HIDDEN = "(secret)"
LEFT_OUT = {"left out": "where it is the default"}
"""``metadata`` of a field that is not written where it has its default."""


def dump(value: Any, *, indent: int | None = 1, reveal: bool = False) -> str:
    """Write a dataclass as JSON, its secrets only to ``reveal`` them; the same value gives the same bytes."""

    def write(part: object) -> str | dict[str, object]:
        if isinstance(part, Secret):
            return part.reveal() if reveal else HIDDEN
        if dataclasses.is_dataclass(part) and not isinstance(part, type):
            return _fields(part)
        raise TypeError(f"{part!r} cannot be written as JSON")

    return json.dumps(write(value), indent=indent, sort_keys=True, default=write)


def load(kind: type[T], text: str) -> T:
    """Read what ``dump`` wrote; a missing, unknown or mistyped key raises TypeError or ValueError."""
    return typing.cast(T, build(kind, json.loads(text)))


def build(kind: Any, value: Any) -> Any:
    """From what a JSON reader gives; raises as ``load``."""
    origin = typing.get_origin(kind)

    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if concrete := getattr(kind, "concrete", None):
            kind = concrete(value)  # One of several: the value says which.
        hints = _hints(kind)
        return kind(**{key: build(hints.get(key, Any), part) for key, part in value.items()})

    if origin is tuple:
        return _build_tuple(typing.get_args(kind), value)

    if origin is list:
        return [build(typing.get_args(kind)[0], part) for part in value]

    if origin is dict:
        key_kind, part_kind = typing.get_args(kind)
        return {build(key_kind, key): build(part_kind, part) for key, part in value.items()}

    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        (inner,) = (k for k in typing.get_args(kind) if k is not type(None))
        return build(inner, value)

    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)

    if kind is Secret:
        return Secret(_check(str, value))

    return _check(kind, value)


def _fields(value: Any) -> dict[str, object]:
    own = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
    return {
        field.name: part
        for field, part in own
        if field.metadata != LEFT_OUT or part != _default(field)
    }


def _default(field: dataclasses.Field[Any]) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(build(kinds[0], part) for part in value)
    return tuple(build(k, part) for k, part in zip(kinds, value, strict=True))


def _check(kind: Any, value: Any) -> Any:
    """A plain value of the right type; an integer may stand for a float."""
    if kind is float and isinstance(value, int):
        return float(value)

    if isinstance(kind, type) and not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {value!r}")

    return value
